"""Which rules an event could match, decided on the event alone; what is kept of it to fold it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.scoring.once import once_key

if TYPE_CHECKING:
    from worker.contracts.event import Event
    from worker.scoring.model import Model, Rule

SALES_TYPES = frozenset({"sales.accepted", "sales.rejected", "sales.recycled", "sales.won", "sales.lost"})
"""The reserved types by which sales answers."""

Stored = int | list[Any]
"""A trace as stored: a small number in the usual case, else a list (see `Trace.stored`)."""

_KEYED_TRACES = 65_536


class Trace:
    """
    What one model needs of one event to fold it, now or again: never the event itself.

    *matches* are the rules that see the event, each with its once-key (None without `once_per`), in file order.
    *lowers* says whether folding it may lower a score, *gain* how much it may raise one at most. *feedback* is the index of the
    model's feedback that it triggers, -1 for none.
    """

    __slots__ = ("feedback", "gain", "is_life", "lowers", "matches", "stored")

    def __init__(
        self,
        matches: tuple[tuple[int, int | None], ...],
        *,
        is_life: bool,
        lowers: bool = False,
        gain: float = 0.0,
        feedback: int = -1,
    ) -> None:
        self.matches = matches
        self.is_life = is_life
        self.lowers = lowers
        self.gain = gain
        self.feedback = feedback
        self.stored = self._store()

    def _store(self) -> Stored:
        """`2 * (rule + 1) + life` for at most one rule without a key; else `[life, feedback, rule, key, rule, key, ...]`."""
        if self.feedback < 0:
            if not self.matches:
                return int(self.is_life)
            if len(self.matches) == 1 and self.matches[0][1] is None:
                return 2 * (self.matches[0][0] + 1) + self.is_life
        return [int(self.is_life), self.feedback, *(part for match in self.matches for part in match)]


def restore_trace(model: Model, stored: Stored) -> Trace:
    """Return the trace that was stored as *stored* under *model*."""
    if isinstance(stored, int):
        rule = stored // 2 - 1
        return new_trace(model, ((rule, None),) if rule >= 0 else (), is_life=bool(stored & 1))
    is_life, feedback, *parts = stored
    matches = tuple(zip(parts[::2], parts[1::2], strict=True))
    return new_trace(model, matches, is_life=bool(is_life), feedback=feedback)


def new_trace(model: Model, matches: tuple[tuple[int, int | None], ...], *, is_life: bool, feedback: int = -1) -> Trace:
    """Return the trace of an event that matches *matches* under *model*."""
    lowers = feedback >= 0
    gain = 0.0
    if feedback >= 0:
        gain = max(0.0, model.feedback_by_index[feedback].points or 0.0)
    for index, _ in matches:
        points = model.rules[index].points
        if points < 0:
            lowers = True
        else:
            gain += points
    return Trace(matches, is_life=is_life, lowers=lowers, gain=gain, feedback=feedback)


class Matcher:
    """The rules of a model, indexed by event type, so that rules that do not concern an event cost it nothing."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._rules_by_type: dict[str, tuple[Rule, ...]] = {}
        named = {name for rule in model.rules for name in rule.when.types or ()}
        for name in named:
            self._rules_by_type[name] = tuple(r for r in model.rules if r.when.types is None or name in r.when.types)
        self._rules_of_any_type = tuple(rule for rule in model.rules if rule.when.types is None)
        self._interned: dict[int, Trace] = {}
        self._keyed: dict[tuple[int, int, bool], Trace] = {}
        self.null_keys = 0
        """Once-keys made whose values were all missing, since the owner last set this to 0."""

    def restore(self, stored: Stored) -> Trace:
        """Return the trace stored as *stored*; the usual ones are shared, not made anew."""
        if isinstance(stored, int):
            trace = self._interned.get(stored)
            if trace is None:
                trace = self._interned[stored] = restore_trace(self._model, stored)
            return trace
        return restore_trace(self._model, stored)

    def match(self, event: Event) -> Trace | None:
        """Return what *event* leaves; None when it matches no rule, is not reserved and is no sign of life."""
        name = event.type
        matches: list[tuple[int, int | None]] = []
        is_machine = event.machine
        for rule in self._rules_by_type.get(name, self._rules_of_any_type):
            if rule.machine == "any" or (rule.machine == "only") == is_machine:
                if not rule.when.holds(event):
                    continue
                if rule.once_per is None:
                    matches.append((rule.index, None))
                else:
                    key, is_null = once_key(event, rule.once_per)
                    self.null_keys += is_null
                    matches.append((rule.index, key))
        if name.startswith("sales."):
            return self._sales(event, tuple(matches))
        is_life = not is_machine and self._model.is_sign_of_life(name)
        if not matches:
            return self.restore(1) if is_life else None
        if len(matches) > 1:
            return new_trace(self._model, tuple(matches), is_life=is_life)
        index, only_key = matches[0]
        return self.restore(2 * (index + 1) + is_life) if only_key is None else self._with_key(index, only_key, is_life)

    def _with_key(self, index: int, key: int, is_life: bool) -> Trace:  # noqa: FBT001 - third part of a key
        """Return the trace of one rule with a once-key, shared: forms, assets and campaigns come again and again."""
        keyed = self._keyed
        trace = keyed.get((index, key, is_life))
        if trace is None:
            if len(keyed) >= _KEYED_TRACES:
                keyed.clear()
            trace = keyed[index, key, is_life] = new_trace(self._model, ((index, key),), is_life=is_life)
        return trace

    def _sales(self, event: Event, matches: tuple[tuple[int, int | None], ...]) -> Trace | None:
        """Return the trace of an event of sales: always one for the five reserved types, with the feedback meant for this model."""
        if event.type not in SALES_TYPES:
            if matches or (not event.machine and self._model.is_sign_of_life(event.type)):
                return new_trace(
                    self._model, matches, is_life=not event.machine and self._model.is_sign_of_life(event.type)
                )
            return None
        feedback = self._model.feedback.get(event.type)
        meant = event.properties.get("model") in {None, self._model.name}
        return new_trace(
            self._model, matches, is_life=False, feedback=feedback.index if feedback is not None and meant else -1
        )
