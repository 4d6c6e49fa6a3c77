"""Which rules an event could match, decided on the event alone; what is kept of it to fold it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.contracts.event_rules import ADJUSTMENT_TYPE, ERASURE_TYPE, SALES_TYPES, UPDATE_TYPE
from worker.contracts.instants import parse_instant
from worker.scoring.attributes import Update, kept_of
from worker.scoring.model import ENGAGEMENT
from worker.scoring.once import once_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.contracts.event import Event
    from worker.scoring.model import Model, Rule

_SHARED_TRACES = 4_096
"""A partition and model keep so many, of some 400 bytes: those that come again are of few campaigns and forms."""
_STRANGE_TYPES = 1_024

_RESERVED_STARTS = ("sales.", "contact.", "score.")

Match = tuple[int, int | None]
"""A rule, and the once-key of the event under it (None without `once_per`)."""


class Given(NamedTuple):
    """Points given by hand, to a group that the model has."""

    group: int
    points: float
    expires_ms: int | None


class Trace:
    """
    What one model needs of one event to fold it, now or again: never the event itself.

    *matches* are the rules that the event could match, in file order; *residues* what their conditions leave open until the attributes are
    known (None when nothing is). *feedback* is the index of the model's feedback that it triggers, -1 for none. *only_awards* says that
    folding it may give awards and does nothing else, *is_plain* that these can be decided without attributes; *lowers* whether
    folding it may lower a score, *gain* how much it may raise one at most.
    """

    __slots__ = (
        "code",
        "feedback",
        "gain",
        "given",
        "is_life",
        "is_plain",
        "lowers",
        "matches",
        "only_awards",
        "residues",
        "update",
    )

    def __init__(
        self,
        model: Model,
        matches: tuple[Match, ...],
        *,
        is_life: bool = False,
        feedback: int = -1,
        residues: tuple[int, ...] | None = None,
        update: Update | None = None,
        given: Given | None = None,
    ) -> None:
        self.matches = matches
        self.is_life = is_life
        self.feedback = feedback
        self.residues = residues
        self.update = update
        self.given = given
        rules = [model.rules[index] for index, _ in matches]
        resets = any(rule.reset for rule in rules)
        self.only_awards = feedback < 0 and update is None and given is None and not resets
        self.is_plain = self.only_awards and residues is None
        self.lowers = feedback >= 0 or update is not None or resets or any(rule.points < 0 for rule in rules)
        self.gain = sum(max(0.0, rule.points) for rule in rules)
        if update is not None:
            self.gain = float("inf")
        if feedback >= 0:
            self.gain += max(0.0, model.feedback_by_index[feedback].points or 0.0)
        if given is not None:
            self.gain += max(0.0, given.points)
            # One that expires may push out another, and that one may have been worth more.
            self.lowers = self.lowers or given.points < 0 or given.expires_ms is not None
        self.code = -1
        if len(matches) <= 1 and feedback < 0 and residues is None and update is None and given is None:
            self.code = code_of(matches[0][0] if matches else -1, is_keyed=self.key is not None, is_life=is_life)

    @property
    def key(self) -> int | None:
        """The once-key under the first rule that it matches."""
        return self.matches[0][1] if self.matches else None


def code_of(rule: int, *, is_keyed: bool, is_life: bool) -> int:
    """Return the number that stands for a trace of one rule, or of none (-1): `rule + 1`, whether it has a key, is a sign of life."""
    return (rule + 1) << 2 | is_keyed << 1 | is_life


class _Candidate:
    """A rule that an event of one type may match, and what has still to be asked of the event."""

    __slots__ = ("holds", "index", "mixed", "once_per", "sees_humans", "sees_machines")

    def __init__(self, rule: Rule, event_type: str) -> None:
        when = rule.when
        self.index = rule.index
        self.sees_humans = rule.machine != "only"
        self.sees_machines = rule.machine != "no"
        is_settled = when.is_type_only and when.types is not None and event_type in when.types
        self.holds = None if is_settled else when.holds  # None: the type was all it asks for
        self.mixed = when if rule.is_mixed else None
        self.once_per = rule.once_per


class _Kind:
    """What a model makes of events of one type."""

    __slots__ = ("candidates", "is_life", "is_reserved")

    def __init__(self, model: Model, event_type: str) -> None:
        rules = [rule for rule in model.rules if not rule.is_fit]
        self.candidates = tuple(
            [_Candidate(rule, event_type) for rule in rules if rule.when.types is None or event_type in rule.when.types]
        )
        self.is_life = model.is_sign_of_life(event_type)
        self.is_reserved = event_type.startswith(_RESERVED_STARTS)


class Matcher:
    """The rules of a model, indexed by event type, so that rules that do not concern an event cost it nothing."""

    def __init__(self, model: Model) -> None:
        self.model = model
        named = {name for rule in model.rules if not rule.is_fit for name in rule.when.types or ()}
        self._kinds = {name: _Kind(model, name) for name in named}
        self._strange: dict[str, _Kind] = {}  # of types that no rule names; producers may send any number of these
        self._shared: dict[int, Trace] = {}
        self._keyed: dict[tuple[int, int], Trace] = {}
        self._several: dict[tuple[tuple[Match, ...], tuple[int, ...] | None, bool], Trace] = {}
        self.null_keys = 0
        """Once-keys made whose values were all missing, since the owner last set this to 0."""

    def of_code(self, code: int, key: int | None) -> Trace:
        """Return the trace that `Trace.code` and `Trace.key` stand for, shared: campaigns and forms come again and again."""
        if key is None:
            trace = self._shared.get(code)
            if trace is None:
                trace = self._shared[code] = self._of_code(code, None)
            return trace
        keyed = self._keyed
        trace = keyed.get((code, key))
        if trace is None:
            if len(keyed) >= _SHARED_TRACES:
                keyed.clear()
            trace = keyed[code, key] = self._of_code(code, key)
        return trace

    def _of_code(self, code: int, key: int | None) -> Trace:
        rule = (code >> 2) - 1
        return Trace(self.model, ((rule, key),) if rule >= 0 else (), is_life=bool(code & 1))

    def match(self, event: Event, at_ms: int) -> Trace | None:  # noqa: C901 - every event comes through here: no calls
        """
        Return what *event*, dated *at_ms*, leaves; None when it could match no rule, is not reserved and is no sign of life.

        Every test of an attribute counts as open here.
        """
        name = event.type
        matches: list[Match] = []
        residues: dict[int, int] | None = None
        is_machine = event.machine
        kind = self._kinds.get(name)
        if kind is None:
            kind = self._strange_kind(name)
        for one in kind.candidates:
            if not (one.sees_machines if is_machine else one.sees_humans):
                continue
            if one.holds is not None and not one.holds(event):
                continue
            if one.mixed is not None:
                residues = residues or {}
                residues[one.index] = one.mixed.residue(event)
            if one.once_per is None:
                matches.append((one.index, None))
            else:
                key, is_null = once_key(event, one.once_per)
                self.null_keys += is_null
                matches.append((one.index, key))
        if kind.is_reserved:
            reserved = self._reserved(event, at_ms, tuple(matches), _open(matches, residues))
            if reserved is not None:
                return reserved
        is_life = kind.is_life and not is_machine
        if not matches:
            return self.of_code(1, None) if is_life else None
        if residues is not None or len(matches) > 1:
            return self._of_several(tuple(matches), _open(matches, residues), is_life=is_life)
        index, only_key = matches[0]
        return self.of_code((index + 1) << 2 | (only_key is not None) << 1 | is_life, only_key)

    def _strange_kind(self, name: str) -> _Kind:
        strange = self._strange
        kind = strange.get(name)
        if kind is None:
            if len(strange) >= _STRANGE_TYPES:
                strange.clear()
            kind = strange[name] = _Kind(self.model, name)
        return kind

    def _of_several(self, matches: tuple[Match, ...], residues: tuple[int, ...] | None, *, is_life: bool) -> Trace:
        """Return the trace of several rules, or of one that asks for attributes, shared as those of one rule are."""
        several = self._several
        trace = several.get((matches, residues, is_life))
        if trace is None:
            if len(several) >= _SHARED_TRACES:
                several.clear()
            trace = several[matches, residues, is_life] = Trace(self.model, matches, is_life=is_life, residues=residues)
        return trace

    def _reserved(
        self, event: Event, at_ms: int, matches: tuple[Match, ...], residues: tuple[int, ...] | None
    ) -> Trace | None:
        """Return the trace of an event of a reserved type, which always leaves one; None for all other types."""
        name, model = event.type, self.model
        if name in SALES_TYPES:
            feedback = model.feedback.get(name)
            is_meant = event.properties.get("model") in {None, model.name}
            index = feedback.index if feedback is not None and is_meant else -1
            return Trace(model, matches, feedback=index, residues=residues)
        if name == UPDATE_TYPE:
            update = kept_of(event.properties, model.attributes)
            return Trace(model, matches, residues=residues, update=update if update.values else None)
        if name == ADJUSTMENT_TYPE:
            return Trace(model, matches, residues=residues, given=given_by(model, event.properties, at_ms))
        return Trace(model, ()) if name == ERASURE_TYPE else None


def _open(matches: list[Match], residues: dict[int, int] | None) -> tuple[int, ...] | None:
    """Return what each match leaves open, -1 for nothing; None when none does."""
    if residues is None or max(residues.values()) < 0:
        return None
    return tuple(residues.get(index, -1) for index, _ in matches)


def given_by(model: Model, properties: Mapping[str, Any], at_ms: int) -> Given | None:
    """Return the points that a `score.adjusted` of *at_ms* gives under *model*; None when it has no effect there."""
    group = properties.get("group")
    index = model.group_index.get(ENGAGEMENT if group is None else group)
    if index is None:
        return None
    expires = None if model.drains[index] is not None else properties.get("expires_at")  # a pool knows no expiry
    expires_ms = parse_instant(expires) if isinstance(expires, str) else expires
    if expires_ms is not None and expires_ms <= at_ms:
        return None
    return Given(index, float(properties["points"]), expires_ms)
