"""The fold of one contact and model, in memory: sums, references, keys and attributes, never events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.scoring.model import NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.scoring.decay import Drain, Lots
    from worker.scoring.fit import Fit


MOST_POINTS = 1e100
"""Nothing grows beyond: a factor above 1 at each spell of idleness would end in an infinity, which no score can show."""


def scaled(points: float, factor: float) -> float:
    """
    Return *points* times *factor*, within bounds that only a factor above 1, many times over, can reach.

    >>> scaled(20.0, 0.5), scaled(-1e99, 1000.0)
    (10.0, -1e+100)
    """
    return max(-MOST_POINTS, min(MOST_POINTS, points * factor))


FEW_KEYS = 8
"""Once-keys of a rule that are kept in a list: it takes a third of the memory of a dictionary, and is looked through as fast."""
_NO_EXTRAS: Mapping[int, Extras] = {}
_NO_POOLS: Mapping[int, Pool] = {}
_NO_ATTRIBUTES: Mapping[str, Any] = {}
_NO_DATES: Mapping[str, int] = {}


def added(values: Iterable[float]) -> float:
    """
    Return the sum of *values*, added one after the other.

    From Python 3.12 on `sum` rounds otherwise than before; a score must not depend on which Python has calculated it.

    >>> added([0.1, 0.2, 0.3])
    0.6000000000000001
    """
    total = 0.0
    for value in values:
        total += value
    return total


class RuleState:
    """What a rule has given to one contact."""

    __slots__ = ("awarded", "count", "keys", "last_ms", "lots", "reference_ms", "seen", "times", "value")

    def __init__(self) -> None:
        self.count = 0  # awards since the last reset of the group
        self.awarded = 0.0  # points of these, before any decay
        self.last_ms = 0  # event time of the newest of these
        self.value = 0.0  # what was left at reference_ms; idleness scales it; of dated lots their sum; 0 in a pool
        self.reference_ms = 0
        self.lots: Lots | None = None  # of a rule whose decay keeps dated lots
        self.keys: list[int] | dict[int, None] | None = (
            None  # once-keys, oldest first; a dictionary when more than a few
        )
        self.times: list[int] | None = None  # what the rule's limit remembers; survives a reset
        self.seen: list[int] | None = None  # newest award instants, where a `seen` asks for them

    def copy(self) -> RuleState:
        """Return an independent copy."""
        new = RuleState.__new__(RuleState)
        new.count = self.count
        new.awarded = self.awarded
        new.last_ms = self.last_ms
        new.value = self.value
        new.reference_ms = self.reference_ms
        new.lots = None if self.lots is None else self.lots.copy()
        new.keys = None if self.keys is None else self.keys.copy()
        new.times = None if self.times is None else self.times.copy()
        new.seen = None if self.seen is None else self.seen.copy()
        return new

    def scale(self, factor: float) -> None:
        """Multiply what was given by *factor*; reference instants stay."""
        if self.lots is None:
            self.value = scaled(self.value, factor)
        else:
            for given_ms in self.lots:
                self.lots[given_ms] = scaled(self.lots[given_ms], factor)
            self.value = added(self.lots.values())


class Extras:
    """Undecaying points of a group that no rule gave; penalties apart because idleness takes from what is positive only."""

    __slots__ = ("adjusted", "deducted", "feedback", "inactivity", "penalties")

    def __init__(
        self,
        inactivity: float = 0.0,
        feedback: float = 0.0,
        penalties: float = 0.0,
        adjusted: float = 0.0,
        deducted: float = 0.0,
    ) -> None:
        self.inactivity = inactivity  # points above 0 by inactivity steps
        self.feedback = feedback  # points above 0 by sales feedback
        self.penalties = penalties  # points below 0 by sales feedback
        self.adjusted = adjusted  # points above 0 given by hand for good
        self.deducted = deducted  # points below 0 given by hand for good

    def copy(self) -> Extras:
        """Return an independent copy."""
        return Extras(self.inactivity, self.feedback, self.penalties, self.adjusted, self.deducted)

    def scale(self, factor: float, *, also_negative: bool) -> None:
        """Multiply what is above 0, or all of it, by *factor*."""
        self.inactivity = scaled(self.inactivity, factor)
        self.feedback = scaled(self.feedback, factor)
        self.adjusted = scaled(self.adjusted, factor)
        if also_negative:
            self.penalties = scaled(self.penalties, factor)
            self.deducted = scaled(self.deducted, factor)

    @property
    def positive(self) -> float:
        """The points above 0."""
        return self.adjusted + self.inactivity + self.feedback

    @property
    def has_any(self) -> bool:
        """Whether any of it is not 0."""
        return bool(self.inactivity or self.feedback or self.penalties or self.adjusted or self.deducted)


class Adjustment(NamedTuple):
    """Points given by hand until an instant."""

    group: int
    points: float
    expires_ms: int


class Pool:
    """All that was given to a group that drains."""

    __slots__ = ("awarded", "count", "last_ms", "reference_ms", "value")

    def __init__(self) -> None:
        self.value = 0.0  # what was left at reference_ms
        self.reference_ms = 0
        self.awarded = 0.0  # everything given since the last reset
        self.count = 0  # so many times
        self.last_ms = 0

    def copy(self) -> Pool:
        """Return an independent copy."""
        new = Pool()
        new.value = self.value
        new.reference_ms = self.reference_ms
        new.awarded = self.awarded
        new.count = self.count
        new.last_ms = self.last_ms
        return new

    def left(self, drain: Drain, at_ms: int) -> float:
        """Return its value at *at_ms*."""
        return drain.left(self.value, self.reference_ms, at_ms) if self.value else 0.0

    def give(self, drain: Drain, points: float, at_ms: int) -> None:
        """Add *points* at *at_ms*, after what has drained until then."""
        self.value = self.left(drain, at_ms) + points
        self.reference_ms = at_ms
        self.awarded += points
        self.count += 1
        self.last_ms = at_ms

    def scale(self, drain: Drain, factor: float, at_ms: int) -> None:
        """Multiply what is left at *at_ms* by *factor*."""
        self.value = scaled(self.left(drain, at_ms), factor)
        self.reference_ms = at_ms


class Fold:
    """A state: the left fold of events in order, advanced to the instant of the newest."""

    __slots__ = (
        "adjustments",
        "at_ms",
        "attribute_dates",
        "attributes",
        "dropped_keys",
        "extras",
        "fit",
        "is_scored",
        "last_activity_ms",
        "next_step_ms",
        "pools",
        "rules",
    )

    def __init__(self) -> None:
        self.at_ms = -NEVER_MS  # instant of the newest event, and of the last advance
        self.is_scored = False  # an award or an adjustment was given, or a fit rule held, once
        self.last_activity_ms: int | None = None
        self.next_step_ms = NEVER_MS  # the soonest inactivity step after at_ms
        self.rules: dict[int, RuleState] = {}  # in rule order: sums of doubles must not depend on history
        # Most contacts have none of the following: these share what is empty, so it is replaced, never changed in place.
        self.extras = _NO_EXTRAS  # by group index
        self.pools = _NO_POOLS  # by group index
        self.adjustments: tuple[Adjustment, ...] = ()  # those that expire, in the order given
        self.attributes = _NO_ATTRIBUTES  # by top-level name
        self.attribute_dates = _NO_DATES  # event time of the last write; removed names too
        self.fit: Fit | None = None  # what the fit rules give for these attributes; None: not computed yet
        self.dropped_keys = 0  # once-keys that went because a rule had too many, since this object was made

    def copy(self) -> Fold:
        """Return an independent copy."""
        new = Fold.__new__(Fold)
        new.at_ms = self.at_ms
        new.is_scored = self.is_scored
        new.last_activity_ms = self.last_activity_ms
        new.next_step_ms = self.next_step_ms
        new.rules = {index: rule.copy() for index, rule in self.rules.items()}
        extras, pools = self.extras, self.pools
        new.extras = {index: one.copy() for index, one in extras.items()} if extras else _NO_EXTRAS
        new.pools = {index: one.copy() for index, one in pools.items()} if pools else _NO_POOLS
        new.adjustments = self.adjustments
        new.attributes = self.attributes
        new.attribute_dates = self.attribute_dates
        new.fit = self.fit
        new.dropped_keys = 0
        return new

    def rule(self, index: int) -> RuleState:
        """Return the state of rule *index*, made when there is none yet."""
        rules = self.rules
        state = rules.get(index)
        if state is None:
            state = RuleState()
            if rules and next(reversed(rules)) > index:
                rules[index] = state
                self.rules = dict(sorted(rules.items()))
            else:
                rules[index] = state
        return state

    def group_extras(self, index: int) -> Extras:
        """Return the extras of group *index*, made when there are none yet."""
        extras = self.extras.get(index)
        if extras is None:
            extras = Extras()
            self.extras = {**self.extras, index: extras}
        return extras

    def pool(self, index: int) -> Pool:
        """Return the pool of group *index*, made when there is none yet."""
        pool = self.pools.get(index)
        if pool is None:
            pool = Pool()
            self.pools = {**self.pools, index: pool}
        return pool
