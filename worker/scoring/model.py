"""A scoring model as the engine sees it: checked, compiled, frozen; it never reads a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from worker.scoring.decay import Dated, Decay, Drain, Expire, HalfLife, Linear

if TYPE_CHECKING:
    from worker.contracts.event import Event
    from worker.scoring.limits import Limit

ENGAGEMENT = "engagement"
"""The group that always exists; a rule without `group` is in it."""

NEVER_MS = 1 << 62
"""An instant that no clock reaches; also a span that none outlasts."""

_CEILING_STEP = 1e-3

Machine = Literal["no", "only", "any"]
"""Which events a rule sees: those of humans, of machines, or both."""


class Facts(NamedTuple):
    """What a condition may ask of a contact beside numbers; None stands for what is not known."""

    attributes: Mapping[str, Any] | None = None
    seen: tuple[bool, ...] | None = None  # by place in Model.seen


UNKNOWN_FACTS = Facts()


class Reading(NamedTuple):
    """What a condition on the state sees at one instant, or one end of what it may see over a span."""

    score: float  # clamped by the model's floor and cap
    groups: tuple[float, ...]  # by group index, clamped by the group's own floor and cap
    tier: int  # rank, 0 is the lowest; 0 without tiers
    facts: Facts = UNKNOWN_FACTS


class EventCondition(Protocol):
    """A condition on one event, and on the contact's attributes at that point of the fold."""

    @property
    def types(self) -> frozenset[str] | None:
        """The event types it can hold for; None when any type may match."""

    @property
    def is_type_only(self) -> bool:
        """Whether it holds exactly when the event's type is one of `types`."""

    @property
    def holds(self) -> Callable[[Event], bool]:
        """Whether it can hold for an event, were the attributes what suits it best."""

    @property
    def is_fit(self) -> bool:
        """Whether it names attributes only."""

    @property
    def is_mixed(self) -> bool:
        """Whether it names attributes beside fields of the event."""

    def residue(self, event: Event) -> int:
        """Return what *event* leaves open, as a number to keep: -1 when the attributes don't matter."""

    def settles(self, residue: int, attributes: Mapping[str, Any]) -> bool:
        """Whether an event that left *residue* meets it with these *attributes*; a fit condition is asked with 0."""


class StateCondition(Protocol):
    """A condition on score, groups, tier, attributes and awards seen."""

    def judge(self, low: Reading, high: Reading) -> bool | None:
        """
        Judge all readings between *low* and *high*, field by field: True holds for each, False for none, None unknown.

        Facts are those of *low*. With ``low == high`` and all facts known the answer is exact and never None.
        """


class FieldPath(NamedTuple):
    """A field of an event: `type`, `source`, a path below `properties`, or one below the contact's `attributes`."""

    root: Literal["type", "source", "properties", "attributes"]
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Points for events that match, or, as a fit rule, for attributes as long as they match."""

    name: str
    index: int  # place in the file; the stored state uses it
    group: int  # index into Model.groups
    when: EventCondition
    points: float
    machine: Machine = "no"
    once_per: tuple[FieldPath, ...] | None = None  # () is `contact`: one at all
    limit: Limit | None = None
    decay: Decay | None = None  # None never fades
    cap: float | None = None  # bound on the contribution: [-cap, cap]
    reset: tuple[int, ...] = ()  # group indexes, emptied before any points of the event are given
    gives: bool = True  # False: it only resets, there is no award
    is_fit: bool = field(init=False)  # it reads attributes only: its points count while it holds
    is_mixed: bool = field(init=False)  # its condition looks at attributes beside the event

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_fit", self.when.is_fit)
        object.__setattr__(self, "is_mixed", self.when.is_mixed)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules whose points are bounded together."""

    name: str
    index: int
    floor: float | None = None
    cap: float | None = None
    drain: Drain | None = None  # all that is given to the group is then one pool


@dataclass(frozen=True, slots=True)
class Seen:
    """At least *times* awards of a rule in (T - within_ms, T], or since the last reset of its group."""

    rule: int
    times: int
    within_ms: int | None = None


@dataclass(frozen=True, slots=True)
class InactivityStep:
    """What idleness does. Exactly file order matters among steps due at one instant."""

    after_ms: int
    every_ms: int | None = None
    reset: tuple[int, ...] = ()  # group indexes
    multiply: float | None = None
    points: float | None = None
    group: int = 0  # of multiply and points


@dataclass(frozen=True, slots=True)
class Feedback:
    """What follows from what sales did."""

    type: str  # sales.accepted, ...
    index: int
    reset: tuple[int, ...] = ()
    points: float | None = None
    group: int = 0
    latch: Literal["open", "closed"] | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """A named range of scores, from its threshold up."""

    name: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Activity:
    """Which event types are a sign of life; exactly one of the two is set."""

    types: frozenset[str] | None = None
    not_types: frozenset[str] | None = None


DEFAULT_ACTIVITY = Activity(
    not_types=frozenset({"email.delivered", "email.bounced", "email.spam_reported", "email.unsubscribed"})
)


@dataclass(frozen=True, slots=True)
class Qualify:
    """When sales is told."""

    when: StateCondition
    rearm: StateCondition | None = None  # None: when `when` no longer holds
    again: Literal["rearm", "recycle"] = "rearm"
    not_within_ms: int = 0
    exclude: StateCondition | None = None
    require: tuple[tuple[str, ...], ...] = ()  # paths of attributes
    include: tuple[tuple[str, ...], ...] = ()  # paths of attributes


@dataclass(frozen=True)
class Model:
    """
    One scoring model.

    *digest* is the SHA-256 (hex) of the sorted-key JSON of the file as parsed, *content* the compact JSON of the file as parsed
    in the order of the file: whoever has it can make this model again.
    """

    name: str
    version: int
    digest: str
    groups: tuple[Group, ...]
    rules: tuple[Rule, ...]
    time_zone: str = "UTC"
    lateness_ms: int = 3 * 86_400_000
    floor: float = 0.0
    cap: float | None = None
    precision: int = 1
    activity: Activity = DEFAULT_ACTIVITY
    inactivity: tuple[InactivityStep, ...] = ()
    tiers: tuple[Tier, ...] = ()  # ascending thresholds
    qualify: Qualify | None = None
    feedback: Mapping[str, Feedback] = field(default_factory=dict)  # by event type
    attributes: frozenset[str] = frozenset()  # top-level names that conditions, `require` and `include` name
    seen: tuple[Seen, ...] = ()  # every `seen` of its conditions; a condition knows its own by its place
    content: str = ""

    def is_sign_of_life(self, event_type: str) -> bool:
        """Whether a human's event of *event_type* ends idleness; never in a model without `inactivity`."""
        if not self.inactivity:
            return False
        if self.activity.types is not None:
            return event_type in self.activity.types
        return event_type not in (self.activity.not_types or ())

    @cached_property
    def feedback_by_index(self) -> tuple[Feedback, ...]:
        """The feedback in file order; a stored trace names it by its place."""
        return tuple(sorted(self.feedback.values(), key=lambda feedback: feedback.index))

    @cached_property
    def reading_plan(self) -> tuple[tuple[int, int, Decay | None, float | None], ...]:
        """What reading a score needs of each rule: group, half-life in ms or 0, decay, cap."""
        return tuple(
            (rule.group, rule.decay.ms if isinstance(rule.decay, HalfLife) else 0, rule.decay, rule.cap)
            for rule in self.rules
        )

    @cached_property
    def dated(self) -> tuple[Dated | None, ...]:
        """The decay of each rule that keeps dated lots, None for all others."""
        return tuple(rule.decay if isinstance(rule.decay, Linear | Expire) else None for rule in self.rules)

    @cached_property
    def fit_rules(self) -> tuple[Rule, ...]:
        """The rules that read attributes only, in file order."""
        return tuple(rule for rule in self.rules if rule.is_fit)

    @cached_property
    def drains(self) -> tuple[Drain | None, ...]:
        """The drain of each group, None where there is none."""
        return tuple(group.drain for group in self.groups)

    @cached_property
    def has_pools(self) -> bool:
        """Whether any group is a pool."""
        return any(self.drains)

    @cached_property
    def group_index(self) -> Mapping[str, int]:
        """The index of each group by its name."""
        return {group.name: group.index for group in self.groups}

    @cached_property
    def once_a_contact(self) -> frozenset[int]:
        """The rules that award once a contact at all: their once-key is always 0."""
        return frozenset(rule.index for rule in self.rules if rule.once_per == ())

    @cached_property
    def attribute_names(self) -> tuple[str, ...]:
        """The names of attributes that are kept, in the order by which stored states refer to them."""
        return tuple(sorted(self.attributes))

    @cached_property
    def attribute_places(self) -> Mapping[str, int]:
        """The place of each of `attribute_names`."""
        return {name: place for place, name in enumerate(self.attribute_names)}

    @cached_property
    def seen_kept(self) -> Mapping[int, int]:
        """How many award instants of a rule are kept because a `seen` asks for those within a span; by rule index."""
        kept: dict[int, int] = {}
        for one in self.seen:
            if one.within_ms is not None:
                kept[one.rule] = max(kept.get(one.rule, 0), one.times)
        return kept

    @cached_property
    def has_facts(self) -> bool:
        """Whether a condition on the state asks for attributes or awards seen."""
        return bool(self.seen or self.attributes)

    @cached_property
    def highest(self) -> Reading:
        """A reading that no reading goes above."""
        return Reading(inf, (inf,) * len(self.groups), max(0, len(self.tiers) - 1))

    @cached_property
    def safe_ceiling(self) -> float:
        """
        Sum of positive points below which no contact qualifies, whatever its groups: most events need no closer look.

        Minus infinity where idleness may raise points, so that no such sum bounds a score.
        """
        if self.qualify is None or any((s.points or 0) > 0 or (s.multiply or 0) > 1 for s in self.inactivity):
            return -inf
        low, high = -inf, 1e12
        if self._may_qualify(0.0):
            return low
        low = 0.0
        while high - low > _CEILING_STEP and low < high:
            middle = (low + high) / 2
            if self._may_qualify(middle):
                high = middle
            else:
                low = middle
        return low

    def _may_qualify(self, positive: float) -> bool:
        """Whether any reading of a contact with *positive* points above 0 may qualify; floors may add to these."""
        if self.qualify is None:
            return False
        groups = tuple(max(positive, group.floor or 0.0) for group in self.groups)
        score = max(self.floor, positive + sum(max(0.0, group.floor or 0.0) for group in self.groups))
        tier = sum(score + 1e-6 >= tier.threshold for tier in self.tiers)
        low = Reading(-inf, (-inf,) * len(groups), 0)
        high = Reading(score + 1e-6, tuple(value + 1e-6 for value in groups), tier)
        return self.qualify.when.judge(low, high) is not False

    @cached_property
    def idleness_gives(self) -> bool:
        """Whether idleness gives points."""
        return any((step.points or 0) > 0 for step in self.inactivity)

    @cached_property
    def idleness_reaches_all(self) -> bool:
        """Whether idleness reaches what is below 0, or worth nothing any more, too."""
        return any(step.reset or step.multiply is not None for step in self.inactivity)

    @cached_property
    def first_step_ms(self) -> int:
        """Idle time until the soonest inactivity step."""
        return min((step.after_ms for step in self.inactivity), default=NEVER_MS)
