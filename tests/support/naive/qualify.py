"""Conditions on a score: whether a lead is good enough, whether it has cooled, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.naive.conditions import Verdicts, attributes_match, negate
from tests.support.naive.events import at_path
from tests.support.naive.model import ATTRIBUTES, Model, duration_ms, rules_of, tests_in
from tests.support.naive.spans import Fields, Span, judge
from tests.support.naive.state import Score, State


def qualifies(score: Score) -> bool:
    """Return whether `when` holds; never for a contact without any award, adjustment or true fit rule."""
    if score.unscored:
        return False
    return judge(_qualify(score)["when"], _fields(score)) == {True}


def is_excluded(score: Score) -> bool:
    """Return whether `exclude` holds."""
    exclude = _qualify(score).get("exclude")
    return exclude is not None and judge(exclude, _fields(score)) == {True}


def has_required(score: Score) -> bool:
    """Return whether every field of `require` is known and not empty."""
    values = (attribute(score.state, name) for name in _qualify(score).get("require", []))
    return all(value is not None and value not in ("", [], {}) for value in values)


def included(score: Score) -> dict[str, Any]:
    """Return the attributes that go into a transition, by path; None for what is not known."""
    names = _qualify(score).get("include", [])
    return {name.removeprefix(ATTRIBUTES): attribute(score.state, name) for name in names}


def cools(score: Score) -> bool:
    """Return whether a ready lead with this *score* cools."""
    return cooling(score.state.model, _fields(score), unscored=score.unscored) == {True}


def cooling(model: Model, fields: Fields, *, unscored: bool) -> Verdicts:
    """`rearm` holds and `when` does not; without `rearm` the second alone."""
    qualify: dict[str, Any] = model["qualify"]
    holds = frozenset({False}) if unscored else judge(qualify["when"], fields)
    rearm = judge(qualify["rearm"], fields) if "rearm" in qualify else negate(holds)
    may_cool = True in rearm and False in holds
    may_stay = False in rearm or True in holds
    return frozenset({True} if may_cool else ()) | frozenset({False} if may_stay else ())


def not_within_ms(model: Model) -> int:
    """Return how long after it was told a lead is not told again."""
    return duration_ms((model.get("qualify") or {}).get("not_within", "0d"))


def attribute(state: State, name: str) -> Any:
    """Return the attribute of the contact at a path written `attributes.<path>`; None when it is not known."""
    return at_path(state.known.attributes, name.split(".")[1:])


def fields_of(state: State, numbers: Mapping[str, Span], at: int) -> Fields:
    """Return what a condition may ask for, with what was seen and is known as of *at*."""

    def settled(name: str, test: Any) -> bool:
        if name == "seen":
            return all(_was_seen(state, one, at) for one in seen_tests(test))
        if name.startswith(ATTRIBUTES):
            return attributes_match(state.known.attributes, {name: test})
        raise NotImplementedError(name)

    tiers = state.model.get("tiers") or {}
    return Fields(numbers, {name: rank for rank, name in enumerate(tiers)}, settled)


def seen_tests(test: Any) -> list[dict[str, Any]]:
    """Return each mapping of a `seen`: one, or a list of which all hold."""
    return test if isinstance(test, list) else [test]


def leaving_instants(state: State) -> list[int]:
    """Return when awards leave the time within which `when` and `rearm` ask whether they were seen."""
    qualify = state.model.get("qualify") or {}
    conditions = [qualify[name] for name in ("when", "rearm") if name in qualify]
    asked = [test for condition in conditions for name, test in tests_in(condition) if name == "seen"]
    return [
        instant + duration_ms(one["within"])
        for test in asked
        for one in seen_tests(test)
        if "within" in one
        for instant in _seen_instants(state, one["rule"])
    ]


def _was_seen(state: State, test: Mapping[str, Any], at: int) -> bool:
    instants = _seen_instants(state, test["rule"])
    if "within" in test:
        instants = [one for one in instants if at - duration_ms(test["within"]) < one <= at]
    return bool(len(instants) >= test.get("times", 1))


def _seen_instants(state: State, rule: str) -> list[int]:
    (index,) = (index for index, one in enumerate(rules_of(state.model)) if one["rule"] == rule)
    return state.given[index].seen


def _qualify(score: Score) -> dict[str, Any]:
    return score.state.model.get("qualify") or {}


def _fields(score: Score) -> Fields:
    numbers = {f"groups.{name}": Span(value, value) for name, value in score.groups.items()}
    numbers["score"] = Span(score.score, score.score)
    numbers["tier"] = Span(score.rank, score.rank)
    return fields_of(score.state, numbers, score.at)
