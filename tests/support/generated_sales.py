"""Generated conditions on a score, and what follows from them: when sales is told, and what sales may answer."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

from tests.support.choices import Choices
from tests.support.generated_attributes import PATHS, attribute_condition
from tests.support.generated_rules import FEEDBACK_TYPES

Json = dict[str, Any]
_GOOD_SCORES = (25, 37.5, 60, 100, 20, 10)
_BAD_SCORES = (20, 37.5, 5, 10, 60)


class Bounds(NamedTuple):
    """What a score and its groups can be, and the names that a condition may use: what can never hold is refused."""

    lows: dict[str, float]
    highs: dict[str, float]
    tiers: Sequence[str]
    seen: Sequence[str]
    """Rules about events that give points."""

    @property
    def groups(self) -> list[str]:
        return [name for name in self.highs if name != "score"]


def bounds_of(model: Json, group_names: Sequence[str]) -> Bounds:
    """Return the bounds of *model*, whose groups, rules, score and tiers are there already."""
    groups, score = model.get("groups", {}), model.get("score", {})
    lows = {name: float(groups.get(name, {}).get("floor", -inf)) for name in group_names}
    highs = {name: float(groups.get(name, {}).get("cap", inf)) for name in group_names}
    low, high = score.get("floor", 0), score.get("cap", inf)
    lows["score"] = min(max(sum(lows.values()), low), high)
    highs["score"] = max(min(sum(highs.values()), high), low)
    seen = [rule["rule"] for rule in model["rules"] if "points" in rule and names_an_event(rule["when"])]
    return Bounds(lows, highs, list(model.get("tiers", {})), seen)


def names_an_event(condition: Json) -> bool:
    """Return whether *condition* names a field of an event: one that names attributes alone makes a fit rule."""
    for name, test in condition.items():
        if name in {"all", "any"}:
            if any(names_an_event(one) for one in test):
                return True
        elif name == "not":
            if names_an_event(test):
                return True
        elif not name.startswith("attributes."):
            return True
    return False


def _good(choices: Choices, bounds: Bounds) -> Json:
    """Return a condition on one thing, which some state of the model meets."""
    kind = choices.one(("score", "score", "score", "group", "group", "tier", "seen", "attribute", "band", "not"))
    if kind == "tier" and bounds.tiers:
        return {
            "tier": choices.one(
                ({"at_least": bounds.tiers[-1]}, [bounds.tiers[-1], bounds.tiers[1]], {"not": bounds.tiers[0]})
            )
        }
    if kind == "seen" and bounds.seen:
        return {"seen": _seen(choices, bounds)}
    if kind == "attribute":
        return attribute_condition(choices)
    if kind == "group":
        name = choices.one(bounds.groups)
        return {f"groups.{name}": {"more_than": _below(choices, (0, 20, 39.5, 60), bounds.highs[name])}}
    if kind == "band" and bounds.lows["score"] <= 37.5 and bounds.highs["score"] >= 20:
        return {"score": {"at_least": 20, "at_most": 37.5}}
    if kind == "not":
        return {"not": {"score": {"less_than": _below(choices, (25,), bounds.highs["score"])}}}
    return {"score": {"at_least": _below(choices, _GOOD_SCORES, bounds.highs["score"])}}


def _below(choices: Choices, wanted: Sequence[float], high: float) -> float:
    return choices.one([one for one in wanted if one < high] or [high - 1])


def _seen(choices: Choices, bounds: Bounds) -> Any:
    def one() -> Json:
        seen: Json = {"rule": choices.one(bounds.seen)}
        if choices.chance(2):
            seen["times"] = choices.one((1, 2, 3))
        within = choices.one((None, "1d", "7d", "1h", "30d"))
        return seen | ({} if within is None else {"within": within})

    first, second = one(), one()
    return [first, second] if choices.chance(5) and first != second else first


def _bad(choices: Choices, bounds: Bounds) -> Json:
    """Return a condition that some state of the model meets, mostly a poorer one."""
    kind = choices.one(("score", "score", "score", "group", "any", "above", "tier", "not seen", "attribute", "not"))
    lows = [one for one in _BAD_SCORES if one > bounds.lows["score"]] or [bounds.lows["score"] + 1]
    of_score: Json = {"score": {"less_than": choices.one(lows)}}
    if kind == "tier" and bounds.tiers:
        return {"tier": {"less_than": bounds.tiers[-1]}}
    if kind == "not seen" and bounds.seen:
        return {"not": {"seen": _seen(choices, bounds)}}
    if kind == "attribute":
        return attribute_condition(choices)
    if kind == "above" and bounds.highs["score"] > 30:
        return {"score": {"more_than": 30}}
    if kind == "not":
        return {"not": _good(choices, bounds)}
    name = choices.one(bounds.groups)
    of_group = {
        f"groups.{name}": {"at_most": choices.one([one for one in (10, 0, 25) if one >= bounds.lows[name]] or [1e6])}
    }
    if kind == "any":
        return {"any": [of_score, of_group]}
    return of_group if kind == "group" else of_score


def good_condition(choices: Choices, bounds: Bounds) -> Json:
    """Return a condition for `when`."""
    first = _good(choices, bounds)
    form = choices.one(("plain", "plain", "plain", "all", "any", "any not"))
    if form == "plain":
        return first
    if form == "all":
        second = _good(choices, bounds)
        return {"all": [first, second]} if set(first) & set(second) else first | second
    if form == "any":
        return {"any": [first, _good(choices, bounds)]}
    return {"any": [first, {"all": [{"score": {"at_least": 25}}, {"not": _bad(choices, bounds)}]}]}


def qualification(choices: Choices, bounds: Bounds) -> Json:
    """Return `qualify` of a model."""
    qualify: Json = {"when": good_condition(choices, bounds)}
    if choices.chance(3):
        qualify["rearm"] = _bad(choices, bounds)
    if choices.chance(3):
        qualify["again"] = choices.one(("recycle", "rearm", "recycle"))
    if choices.chance(6):
        qualify["not_within"] = choices.one(("1d", "0d", "30d", "7d"))
    if choices.chance(6):
        qualify["exclude"] = _bad(choices, bounds) if choices.chance(4) else attribute_condition(choices)
    if choices.chance(5):
        qualify["require"] = choices.some(PATHS, 1, 2)
    if choices.chance(4):
        qualify["include"] = choices.some(PATHS, 1, 3)
    return qualify


def feedback(choices: Choices, group_names: Sequence[str], *, recycle: bool) -> Json:
    """Return what follows from what sales does; with *recycle* a cooled lead can return."""
    said: Json = {}
    for kind in choices.some(FEEDBACK_TYPES, 0, 4):
        entry: Json = {}
        if choices.chance(2):
            entry["reset"] = choices.some(group_names, 1, 2)
        if choices.chance(2):
            entry["points"] = choices.one((-30, -5.5, 10, 40, 0))
            if choices.chance(2):
                entry["group"] = choices.one(group_names)
        if not entry or choices.chance(2):
            entry["latch"] = choices.one(("open", "open", "open", "closed"))
        said[kind] = entry
    if recycle:
        said["sales.recycled"] = said.get("sales.recycled", {}) | {"latch": "open"}
    return said
