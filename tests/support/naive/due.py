"""What time changes by itself: the first whole second, or step at its own ms, at which sales would be told something."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.naive.fold import advance, firings
from tests.support.naive.model import decay_of, drain_of, group_names, rules_of
from tests.support.naive.qualify import cooling, cools, fields_of, leaving_instants
from tests.support.naive.spans import Fields, Span
from tests.support.naive.state import (
    Score,
    State,
    clamped_group,
    copy_of,
    event_rules_in,
    group_sum,
    left_of,
    rank_of,
    raw_group_value,
    read_here,
    score_of,
    within_cap,
)

_ROUNDING = 1e-15
"""A hair, relative to what is left of one rule's points: powers are not exact to the last bit."""


@dataclass(frozen=True)
class Watch:
    """What is waited for: that a ready lead cools, that the tier is another than the one of this rank that was told."""

    cooling: bool = True
    told_rank: int | None = None

    def acts(self, score: Score) -> bool:
        """Return whether *score* is what is waited for."""
        if self.told_rank is not None and score.rank != self.told_rank:
            return True
        return self.cooling and cools(score)

    def may_act(self, state: State, fields: Fields) -> bool:
        """Return whether a score whose numbers lie within *fields* may be what is waited for."""
        ranks = fields.numbers["tier"]
        if self.told_rank is not None and not ranks.low == ranks.high == self.told_rank:
            return True
        return self.cooling and True in cooling(state.model, fields, unscored=not state.is_scored)


def first_due(state: State, after: int, until: int, watch: Watch) -> int | None:
    """
    Return the first instant in (after, until] at which what *watch* says happens; None when there is none.

    Between two steps at their own ms everything only moves towards 0, so the ends of a span bound it; spans that may
    hold the instant are halved down to single seconds, and only the score at that very second decides.
    """
    moving = copy_of(state)
    advance(moving, after)
    cursor = after
    while cursor < until:
        step = _next_step(moving, cursor, until)
        end = until if step is None else step - 1
        found = _search(moving, cursor // 1000 + 1, end // 1000, watch)
        if found is not None:
            return found * 1000
        if step is None:
            return None
        advance(moving, step)
        if watch.acts(read_here(moving, step)):
            return step
        cursor = step
    return None


def _next_step(state: State, after: int, until: int) -> int | None:
    """Return the next instant that need not be a whole second: idleness, an expiry, an award that is seen no more."""
    instants = [instant for instant, _ in firings(state, until)[:1]]
    instants += [one.expires_at for one in state.expiring]
    instants += leaving_instants(state)
    return min((one for one in instants if after < one <= until), default=None)


def _search(state: State, low: int, high: int, watch: Watch) -> int | None:
    """Return the first whole second in [low, high] that is waited for; no step at its own ms lies in between."""
    if low > high:
        return None
    if low == high or _stands_still(state, low * 1000, high * 1000):
        return low if watch.acts(read_here(state, low * 1000)) else None
    if not watch.may_act(state, _fields_between(state, low * 1000, high * 1000)):
        return None
    middle = (low + high) // 2
    found = _search(state, low, middle, watch)
    return found if found is not None else _search(state, middle + 1, high, watch)


def _stands_still(state: State, first: int, last: int) -> bool:
    """Return whether nothing moves: what goes by steps, only ever towards 0, is the same at both ends."""
    model = state.model
    for index, rule in enumerate(rules_of(model)):
        decay = decay_of(model, rule)
        if decay is not None and decay.form == "half_life" and state.given[index].value != 0:
            return False
        if left_of(state, index, first) != left_of(state, index, last):
            return False
    pools = [name for name in group_names(model) if drain_of(model, name) is not None]
    return all(raw_group_value(state, name, first) == raw_group_value(state, name, last) for name in pools)


def _fields_between(state: State, first: int, last: int) -> Fields:
    """
    Return what each field may be between *first* and *last*.

    Sums of doubles in one order never fall when a part rises, so the sums of the lowest and of the highest parts are
    bounds to the last bit.
    """
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    for name in group_names(state.model):
        low, high = _group_between(state, name, first, last)
        lows[name], highs[name] = clamped_group(state.model, name, low), clamped_group(state.model, name, high)
    numbers = {f"groups.{name}": Span(lows[name], highs[name]) for name in lows}
    low, high = (score_of(state.model, lows), score_of(state.model, highs)) if state.is_scored else (0.0, 0.0)
    numbers["score"] = Span(low, high)
    ranks = (rank_of(state.model, low), rank_of(state.model, high)) if state.is_scored else (0, 0)
    numbers["tier"] = Span(*ranks)
    return fields_of(state, numbers, first)


def _group_between(state: State, name: str, first: int, last: int) -> tuple[float, float]:
    if drain_of(state.model, name) is not None:
        ends = sorted((raw_group_value(state, name, first), raw_group_value(state, name, last)))
        return ends[0], ends[1]
    lows: dict[int, float] = {}
    highs: dict[int, float] = {}
    for index in event_rules_in(state, name):
        low, high = sorted((left_of(state, index, first), left_of(state, index, last)))
        lows[index] = within_cap(state, index, low - abs(low) * _ROUNDING)
        highs[index] = within_cap(state, index, high + abs(high) * _ROUNDING)
    return group_sum(state, name, first, lows), group_sum(state, name, first, highs)
