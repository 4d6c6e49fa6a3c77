"""
Generated scoring models of the constructs that the shipped `simple-100` uses, as a curious marketer would write them.

Models with every construct are in `generated_models`; these are smaller, and find what concerns the common case sooner.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.support.generated_rules import FEEDBACK_TYPES, TYPES
from tests.support.lattice import DAY, HOUR

Json = dict[str, Any]


@st.composite
def models(draw: st.DrawFn) -> Json:
    """A model of the constructs that the shipped `simple-100` uses, as it is parsed from a file."""
    groups = draw(_groups())
    names = sorted({"engagement", *groups})
    rules = draw(st.lists(_rules(names), min_size=1, max_size=5))
    for number, rule in enumerate(rules):
        rule["rule"] = f"rule {number}"
    model: Json = {"model": "generated", "version": 1, "rules": rules}
    if groups:
        model["groups"] = groups
    if draw(st.booleans()):
        model["lateness"] = draw(st.sampled_from(["1h", "1d", "3d", "30d"]))
    if draw(st.booleans()):
        model["time_zone"] = draw(st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata"]))
    score = draw(_scores())
    if score:
        model["score"] = score
    if draw(st.integers(0, 3)):
        model["inactivity"] = draw(st.lists(_steps(names), min_size=1, max_size=3))
        if draw(st.integers(0, 3)) == 0:
            key = draw(st.sampled_from(["types", "not_types"]))
            model["activity"] = {key: draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True))}
    if draw(st.booleans()):
        model["tiers"] = {"cold": 0, "warm": 25, "hot": 40}
    model["qualify"] = draw(_qualifications(_caps(names, groups, score), tiers="tiers" in model))
    feedback = draw(_feedback(names, recycle=model["qualify"].get("again") == "recycle"))
    if feedback:
        model["feedback"] = feedback
    return model


def model_text(model: Mapping[str, Any]) -> str:
    """Return *model* as a model file: JSON is YAML."""
    return json.dumps(model)


def lateness_of(model: Mapping[str, Any]) -> int:
    """Return the lateness of a generated model in ms."""
    return {"1h": HOUR, "1d": DAY, "3d": 3 * DAY, "30d": 30 * DAY}[model.get("lateness", "3d")]


@st.composite
def _groups(draw: st.DrawFn) -> Json:
    listed = draw(st.sampled_from([[], [], ["engagement"], ["basics"], ["basics", "engagement"]]))
    groups: Json = {}
    for name in listed:
        group: Json = {}
        if draw(st.booleans()):
            group["cap"] = draw(st.sampled_from([40, 100, 300]))
        if draw(st.booleans()):
            group["floor"] = draw(st.sampled_from([-100, -10, 0, 7.5]))
        if draw(st.booleans()):
            group["decay"] = {"half_life": draw(st.sampled_from(["1h", "1d", "30d", "90d"]))}
        groups[name] = group
    return groups


@st.composite
def _scores(draw: st.DrawFn) -> Json:
    score: Json = {}
    if draw(st.booleans()):
        score["floor"] = draw(st.sampled_from([-1000, -20, 0]))
    if draw(st.booleans()):
        score["cap"] = draw(st.sampled_from([120, 200]))
    if draw(st.booleans()):
        score["precision"] = draw(st.integers(0, 6))
    return score


@st.composite
def _rules(draw: st.DrawFn, groups: Sequence[str]) -> Json:
    rule: Json = {"rule": "", "when": draw(_event_conditions())}
    if draw(st.integers(0, 3)) == 0:
        rule["machine"] = draw(st.sampled_from([True, "any"]))
    rule["points"] = draw(st.sampled_from([100, 60, 30, 20, 12.5, 5, 0.1, 0.001, 0, -10, -30, -50.5]))
    if draw(st.booleans()):
        rule["group"] = draw(st.sampled_from(list(groups)))
    once = draw(
        st.sampled_from([None, None, "contact", "properties.key", ["properties.key", "type"], "properties.a.b"])
    )
    if once is not None:
        rule["once_per"] = once
    limit = draw(st.sampled_from([None, None, "within", "day", "week", "month"]))
    if limit == "within":
        rule["limit"] = {"times": draw(st.integers(1, 3)), "within": draw(st.sampled_from(["1h", "1d", "7d", "30d"]))}
    elif limit is not None:
        rule["limit"] = {"times": draw(st.integers(1, 2)), "per": limit}
    if draw(st.booleans()):
        rule["decay"] = draw(st.sampled_from(["none", {"half_life": "1h"}, {"half_life": "1d"}, {"half_life": "30d"}]))
    if draw(st.integers(0, 3)) == 0:
        rule["cap"] = draw(st.sampled_from([15, 40, 100]))
    return rule


@st.composite
def _event_conditions(draw: st.DrawFn) -> Json:
    types = st.sampled_from(TYPES)
    tests: list[Any] = [
        draw(types),
        draw(types),
        sorted(draw(st.sets(types, min_size=2, max_size=3))),
        {"starts_with": "email."},
        {"like": "*.viewed"},
        {"not_in": ["meter.read", "sales.won"]},
        draw(st.sampled_from(FEEDBACK_TYPES)),
    ]
    condition: Json = {"type": draw(st.sampled_from(tests))}
    extra = draw(st.sampled_from([None, None, None, "exists", "number", "text", "any"]))
    if extra == "exists":
        condition["properties.key"] = {"exists": draw(st.booleans())}
    elif extra == "number":
        condition["properties.n"] = {"at_least": 2}
    elif extra == "text":
        condition["properties.key"] = "a"
    elif extra == "any":
        condition = {"any": [condition, {"type": "demo.requested", "not": {"properties.n": 3}}]}
    return condition


@st.composite
def _steps(draw: st.DrawFn, groups: Sequence[str]) -> Json:
    step: Json = {"after": draw(st.sampled_from(["1h", "1d", "10d", "30d", "60d"]))}
    if draw(st.booleans()):
        step["every"] = draw(st.sampled_from(["1d", "10d", "30d"]))
    kinds = draw(st.sets(st.sampled_from(["reset", "multiply", "points", "take"]), min_size=1, max_size=2))
    if "reset" in kinds:
        step["reset"] = draw(st.lists(st.sampled_from(list(groups)), min_size=1, max_size=2, unique=True))
    if "multiply" in kinds:
        # a factor above 1 that repeats would grow without end, and is refused
        step["multiply"] = draw(st.sampled_from([0, 0.5, 0.9] if "every" in step else [0, 0.5, 0.9, 1.25]))
    if "points" in kinds:
        step["points"] = draw(st.sampled_from([3, 20]))
    elif "take" in kinds:
        step["points"] = draw(st.sampled_from([-20, -0.5, -200]))
    if ("multiply" in step or "points" in step) and draw(st.booleans()):
        step["group"] = draw(st.sampled_from(list(groups)))
    return step


def _caps(names: Sequence[str], groups: Json, score: Json) -> dict[str, float]:
    """Return the highest value that the score and each group can have: a model that asks for more is refused."""
    caps = {name: float(groups.get(name, {}).get("cap", math.inf)) for name in names}
    return caps | {"score": min(sum(caps.values()), score.get("cap", math.inf))}


@st.composite
def _good_scores(draw: st.DrawFn, caps: Mapping[str, float], *, tiers: bool) -> Json:
    names = [name for name in caps if name != "score"]
    kinds = ["score", "score", "score", "group", "both", "band", "not"] + (["tier"] if tiers else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "tier":
        return {"tier": {"at_least": "hot"}}
    if kind == "band":  # more points may end it, fewer may bring it back
        return {"score": {"at_least": 20, "at_most": 37.5}}
    if kind == "not":
        return {"not": {"score": {"less_than": 25}}}
    condition: Json = {}
    if kind in {"score", "both"}:
        bounds = [bound for bound in (25, 37.5, 60, 100) if bound <= caps["score"]]
        condition["score"] = {"at_least": draw(st.sampled_from(bounds))}
    if kind in {"group", "both"}:
        name = draw(st.sampled_from(names))
        bounds = [bound for bound in (0, 20, 39.5, 60) if bound < caps[name]]
        condition[f"groups.{name}"] = {"more_than": draw(st.sampled_from(bounds))}
    return condition


@st.composite
def _bad_scores(draw: st.DrawFn, names: Sequence[str], *, tiers: bool) -> Json:
    kinds = ["score", "score", "score", "group", "any", "above"] + (["tier"] if tiers else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "tier":
        return {"tier": {"less_than": "warm"}}
    if kind == "above":
        return {"score": {"more_than": 30}}
    of_score = {"score": {"less_than": draw(st.sampled_from([5, 10, 20, 37.5]))}}
    of_group = {f"groups.{draw(st.sampled_from(list(names)))}": {"at_most": draw(st.sampled_from([0, 10, 25]))}}
    if kind == "any":
        return {"any": [of_score, of_group]}
    return of_score if kind == "score" else of_group


@st.composite
def _qualifications(draw: st.DrawFn, caps: Mapping[str, float], *, tiers: bool) -> Json:
    qualify: Json = {"when": draw(_good_scores(caps, tiers=tiers))}
    if draw(st.booleans()):
        qualify["rearm"] = draw(_bad_scores([name for name in caps if name != "score"], tiers=tiers))
    if draw(st.booleans()):
        qualify["again"] = draw(st.sampled_from(["rearm", "recycle"]))
    if draw(st.booleans()):
        qualify["not_within"] = draw(st.sampled_from(["0d", "1d", "30d"]))
    return qualify


@st.composite
def _feedback(draw: st.DrawFn, groups: Sequence[str], *, recycle: bool) -> Json:
    feedback: Json = {}
    for kind in draw(st.sets(st.sampled_from(FEEDBACK_TYPES), max_size=4)) | ({"sales.recycled"} if recycle else set()):
        entry: Json = {}
        if draw(st.booleans()):
            entry["reset"] = draw(st.lists(st.sampled_from(list(groups)), min_size=1, max_size=2, unique=True))
        if draw(st.booleans()):
            entry["points"] = draw(st.sampled_from([-30, -5.5, 10, 40]))
            if draw(st.booleans()):
                entry["group"] = draw(st.sampled_from(list(groups)))
        if draw(st.booleans()):
            entry["latch"] = draw(st.sampled_from(["open", "open", "open", "closed"]))
        if kind == "sales.recycled" and recycle:
            entry["latch"] = "open"
        if entry:
            feedback[kind] = entry
    return feedback
