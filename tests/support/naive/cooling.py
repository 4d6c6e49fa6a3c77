"""When a ready lead cools with nobody doing anything: the first whole second, or inactivity step, that says so."""

from __future__ import annotations

from typing import Any

from tests.support.naive.conditions import Span, Verdicts, judge, negate
from tests.support.naive.fold import (
    Score,
    State,
    advance,
    clamp,
    contribution,
    deepcopy_points,
    firings,
    left_of,
    rank_of,
    raw_group_value,
    read_here,
    score_of,
)
from tests.support.naive.model import Model, group_names, group_settings, half_life_ms, rule_group, rules_of


def first_cooling(state: State, after: int, until: int) -> int | None:
    """
    Return the first instant in (after, until] at which a ready lead in this *state* cools; None when there is none.

    Between two steps everything fades towards 0, so the ends of a span bound it; spans that may hold a cooling are
    halved down to single seconds, and only the score at that very second decides.
    """
    moving = deepcopy_points(state)
    advance(moving, after)
    cursor = after
    while cursor < until:
        steps = firings(moving, until)
        step = steps[0][0] if steps else None
        end = until if step is None else step - 1
        found = _search(moving, cursor // 1000 + 1, end // 1000)
        if found is not None:
            return found * 1000
        if step is None:
            return None
        advance(moving, step)
        if cools(moving.model, read_here(moving, step)):
            return step
        cursor = step
    return None


def cools(model: Model, score: Score) -> bool:
    """Return whether a ready lead with this *score* cools."""
    return _cooling(model, _fields(score), unscored=score.unscored) == {True}


def qualifies(model: Model, score: Score) -> bool:
    """Return whether `when` holds; never for a contact without any award."""
    if score.unscored:
        return False
    return judge(model["qualify"]["when"], _fields(score), ranks(model)) == {True}


def ranks(model: Model) -> dict[str, int]:
    """Return each tier's rank, 0 the lowest."""
    return {name: rank for rank, name in enumerate(model.get("tiers") or {})}


def _fields(score: Score) -> dict[str, Span]:
    fields = {f"groups.{name}": Span(value, value) for name, value in score.groups.items()}
    fields["score"] = Span(score.score, score.score)
    fields["tier"] = Span(score.rank, score.rank)
    return fields


def _cooling(model: Model, fields: dict[str, Span], *, unscored: bool) -> Verdicts:
    """`rearm` holds and `when` does not; without `rearm` the second alone."""
    qualify: dict[str, Any] = model["qualify"]
    holds = frozenset({False}) if unscored else judge(qualify["when"], fields, ranks(model))
    rearm = judge(qualify["rearm"], fields, ranks(model)) if "rearm" in qualify else negate(holds)
    may_cool = True in rearm and False in holds
    may_stay = False in rearm or True in holds
    return frozenset({True} if may_cool else ()) | frozenset({False} if may_stay else ())


def _search(state: State, low: int, high: int) -> int | None:
    """Return the first whole second in [low, high] that cools; no step lies in between."""
    if low > high:
        return None
    if low == high or not _fades(state):
        return low if cools(state.model, read_here(state, low * 1000)) else None
    if True not in _cooling(state.model, _span(state, low * 1000, high * 1000), unscored=not state.ever_awarded):
        return None
    middle = (low + high) // 2
    found = _search(state, low, middle)
    return found if found is not None else _search(state, middle + 1, high)


def _fades(state: State) -> bool:
    return any(
        given.value != 0 and half_life_ms(state.model, rule) is not None
        for given, rule in zip(state.given, rules_of(state.model), strict=True)
    )


def _span(state: State, first: int, last: int) -> dict[str, Span]:
    """Return what each field may be between *first* and *last*, a hair more for the rounding of sums."""
    model = state.model
    magnitude = 1.0
    for index in range(len(rules_of(model))):
        magnitude += abs(left_of(state, index, first))
    for name in group_names(model):
        magnitude += abs(raw_group_value(state, name, last))
    hair = magnitude * 1e-13
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    for name in group_names(model):
        lows[name] = highs[name] = 0.0
        for index, rule in enumerate(rules_of(model)):
            if rule_group(rule) == name:
                ends = contribution(state, index, first), contribution(state, index, last)
                lows[name] += min(ends)
                highs[name] += max(ends)
        extras = state.extras[name]
        fixed = extras.inactivity + extras.feedback_plus + extras.feedback_minus
        bounds = group_settings(model, name)
        lows[name] = clamp(lows[name] + fixed - hair, bounds.get("floor"), bounds.get("cap"))
        highs[name] = clamp(highs[name] + fixed + hair, bounds.get("floor"), bounds.get("cap"))
    fields = {f"groups.{name}": Span(lows[name], highs[name]) for name in lows}
    low, high = score_of(model, lows) - hair, score_of(model, highs) + hair
    fields["score"] = Span(low, high)
    fields["tier"] = Span(rank_of(model, low), rank_of(model, high))
    return fields
