"""The fold of one contact and model, in memory: sums, references and keys, never events."""

from __future__ import annotations

from worker.scoring.model import NEVER_MS


class RuleState:
    """What a rule has given to one contact."""

    __slots__ = ("awarded", "count", "keys", "last_ms", "reference_ms", "times", "value")

    def __init__(self) -> None:
        self.count = 0  # awards since the last reset of the group
        self.awarded = 0.0  # points of these, before any decay
        self.last_ms = 0  # event time of the newest of these
        self.value = 0.0  # what was left at reference_ms; idleness scales it
        self.reference_ms = 0
        self.keys: dict[int, None] | None = None  # once-keys, oldest first
        self.times: list[int] | None = None  # what the rule's limit remembers; survives a reset

    def copy(self) -> RuleState:
        """Return an independent copy."""
        new = RuleState.__new__(RuleState)
        new.count = self.count
        new.awarded = self.awarded
        new.last_ms = self.last_ms
        new.value = self.value
        new.reference_ms = self.reference_ms
        new.keys = None if self.keys is None else self.keys.copy()
        new.times = None if self.times is None else self.times.copy()
        return new


class Extras:
    """Points of a group that no rule gave; undecaying, penalties apart because idleness takes from what is positive only."""

    __slots__ = ("feedback", "inactivity", "penalties")

    def __init__(self, inactivity: float = 0.0, feedback: float = 0.0, penalties: float = 0.0) -> None:
        self.inactivity = inactivity  # points above 0 by inactivity steps
        self.feedback = feedback  # points above 0 by sales feedback
        self.penalties = penalties  # points below 0 by sales feedback

    def copy(self) -> Extras:
        """Return an independent copy."""
        return Extras(self.inactivity, self.feedback, self.penalties)


class Fold:
    """A state: the left fold of events in order, advanced to the instant of the newest."""

    __slots__ = ("at_ms", "dropped_keys", "extras", "is_scored", "last_activity_ms", "next_step_ms", "rules")

    def __init__(self) -> None:
        self.at_ms = -NEVER_MS  # instant of the newest event, and of the last advance
        self.is_scored = False  # an award was given, once
        self.last_activity_ms: int | None = None
        self.next_step_ms = NEVER_MS  # the soonest inactivity step after at_ms
        self.rules: dict[int, RuleState] = {}  # in rule order: sums of doubles must not depend on history
        self.extras: dict[int, Extras] = {}  # by group index
        self.dropped_keys = 0  # once-keys that went because a rule had too many, since this object was made

    def copy(self) -> Fold:
        """Return an independent copy."""
        new = Fold.__new__(Fold)
        new.at_ms = self.at_ms
        new.is_scored = self.is_scored
        new.last_activity_ms = self.last_activity_ms
        new.next_step_ms = self.next_step_ms
        new.rules = {index: rule.copy() for index, rule in self.rules.items()}
        new.dropped_keys = 0
        new.extras = {index: extras.copy() for index, extras in self.extras.items()}
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
            extras = self.extras[index] = Extras()
        return extras
