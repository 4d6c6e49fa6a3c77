"""Generated scoring models with every construct of the language, each one valid: what a loader must refuse is tested elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.support.choices import Choices
from tests.support.generated_rules import DECAYS, TYPES, generated_rule
from tests.support.generated_sales import bounds_of, feedback, qualification
from tests.support.lattice import SPANS

Json = dict[str, Any]

_BYTES_OF_A_MODEL = 128
_BYTES_OF_A_RULE = 28
_OF_A_MODEL = st.binary(min_size=_BYTES_OF_A_MODEL, max_size=_BYTES_OF_A_MODEL)
_DRAINS = (
    {"points": 1, "every": "1d"},
    {"points": 12.5, "every": "1d"},
    {"points": 5, "every": "1h"},
    {"points": 30, "every": "7d"},
)


@st.composite
def full_models(draw: st.DrawFn, *, max_rules: int = 5) -> Json:
    """A model, as it is parsed from a file."""
    return model_from(Choices(draw(_OF_A_MODEL)), [Choices(one) for one in draw(_of_rules(max_rules))])


@cache
def _of_rules(most: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.binary(min_size=_BYTES_OF_A_RULE, max_size=_BYTES_OF_A_RULE), min_size=1, max_size=most)


def lateness_ms(model: Mapping[str, Any]) -> int:
    """Return the lateness of a generated model in ms."""
    return SPANS[model.get("lateness", "3d")]


def model_from(choices: Choices, of_rules: Sequence[Choices]) -> Json:
    """Return the model that these choices make: those of its rules, and those of all the rest."""
    model: Json = {"model": "generated", "version": 1}
    groups = _groups(choices)
    group_names = ["engagement", *(name for name in groups if name != "engagement")]
    if groups:
        model["groups"] = groups
    model["rules"] = [generated_rule(own, f"rule {number}", groups, group_names) for number, own in enumerate(of_rules)]
    if not any("points" in rule for rule in model["rules"]):
        model["rules"].append({"rule": "page", "when": {"type": "page.viewed"}, "points": 30})
    is_staged = choices.chance(3)
    if is_staged:
        model["rules"] += _up_and_down(choices, is_pool="drain" in groups.get("engagement", {}))
    model |= _frame(choices)
    if choices.chance(2):
        model |= _idleness(choices, group_names)
    if not choices.chance(12):
        model["qualify"] = qualification(choices, bounds_of(model, group_names))
        if is_staged and choices.chance(2):
            model["qualify"]["when"] = {"score": {"at_least": 25}}
    answers = feedback(choices, group_names, recycle=model.get("qualify", {}).get("again") == "recycle")
    if is_staged:
        staged: Json = {"sales.rejected": {"points": -30, "latch": "open"}, "sales.recycled": {"latch": "open"}}
        answers = staged | answers
        answers["sales.recycled"]["latch"] = "open"
    if answers:
        model["feedback"] = answers
    return model


def _up_and_down(choices: Choices, *, is_pool: bool) -> list[Json]:
    """Return rules by which most leads become ready, cool and come back: what sales is told is many stories, not one."""
    up: Json = {"rule": "up", "when": {"type": "page.viewed"}, "points": choices.one((60, 100))}
    down: Json = {"rule": "down", "when": {"type": "email.bounced"}, "points": -60}
    if not is_pool:
        up["decay"], down["decay"] = choices.one(DECAYS), choices.one(DECAYS)
    out: Json = {"rule": "out", "when": {"type": "email.opened"}, "reset": ["engagement"]}
    return [up, down, out] if choices.chance(2) else [up, down]


def _frame(choices: Choices) -> Json:
    """Return lateness, time zone, bounds of the score and tiers, those that a model says anything of."""
    frame: Json = {}
    if choices.chance(2):
        frame["lateness"] = choices.one(("1h", "1d", "3d", "30d", "0d"))
    if choices.chance(2):
        frame["time_zone"] = choices.one(("Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "UTC"))
    score = _score(choices)
    if score:
        frame["score"] = score
    if choices.chance(2):
        lowest = {"icy": -30} if score.get("floor", 0) < 0 else {}
        frame["tiers"] = lowest | choices.one(({"cold": 0, "warm": 25, "hot": 40}, {"cold": 0, "hot": 30}))
    return frame


def _idleness(choices: Choices, group_names: Sequence[str]) -> Json:
    idleness: Json = {"inactivity": [_step(choices, group_names) for _ in range(1 + choices.below(3))]}
    if choices.chance(4):
        idleness["activity"] = {choices.one(("types", "not_types")): choices.some(TYPES, 1, 3)}
    return idleness


def _groups(choices: Choices) -> Json:
    """Return the groups of a model; one of them may be a pool."""
    groups: Json = {}
    for name in choices.one(
        ((), ("engagement",), ("basics",), ("basics", "engagement"), ("fit", "pool"), ("pool", "engagement", "fit"))
    ):
        group: Json = {}
        if choices.chance(3):
            group["cap"] = choices.one((40, 100, 300))
        if choices.chance(3):
            group["floor"] = choices.one((0, -10, -100, 7.5))
        if name == "pool" or choices.chance(8):
            group["drain"] = choices.one(_DRAINS)
        elif choices.chance(3):
            group["decay"] = choices.one(DECAYS)
        groups[name] = group
    return groups


def _score(choices: Choices) -> Json:
    score: Json = {}
    if choices.chance(3):
        score["floor"] = choices.one((-20, -1000, 0))
    if choices.chance(3):
        score["cap"] = choices.one((120, 200))
    if choices.chance(3):
        score["precision"] = choices.one((0, 1, 2, 3, 4, 5, 6))
    return score


def _step(choices: Choices, group_names: Sequence[str]) -> Json:
    step: Json = {"after": choices.one(("30d", "1d", "10d", "1h", "60d"))}
    if choices.chance(2):
        step["every"] = choices.one(("30d", "1d", "7d", "10d"))
    kinds = choices.one(
        ("take", "reset", "multiply", "give", "take reset", "multiply take", "multiply give", "reset give")
    )
    if "reset" in kinds:
        step["reset"] = choices.some(group_names, 1, 2)
    if "multiply" in kinds:
        # a factor above 1 that repeats would grow without end, and is refused
        step["multiply"] = choices.one((0.5, 0, 0.9) if "every" in step else (0.5, 0, 0.9, 1.25))
    if "give" in kinds:
        step["points"] = choices.one((3, 20))
    elif "take" in kinds:
        step["points"] = choices.one((-20, -0.5, -200))
    if ("multiply" in step or "points" in step) and choices.chance(2):
        step["group"] = choices.one(group_names)
    return step
