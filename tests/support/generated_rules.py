"""Generated rules: which events and attributes they see, what they give, how often, and how it fades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.choices import Choices
from tests.support.generated_attributes import attribute_condition

Json = dict[str, Any]

TYPES = ("page.viewed", "form.submitted", "email.opened", "email.bounced", "demo.requested", "meter.read")
FEEDBACK_TYPES = ("sales.accepted", "sales.rejected", "sales.recycled", "sales.won", "sales.lost")
POINTS = (100, 60, 40, 30, 20, 12.5, 5, 0.1, 0.001, 0, -10, -30, -50.5, -30)
DECAYS: tuple[Any, ...] = (
    "none",
    {"half_life": "1h"}, {"half_life": "1d"}, {"half_life": "30d"},
    {"percent": {"rate": "2%", "every": "1d"}}, {"percent": {"rate": 0.5, "every": "1h"}},
    {"percent": {"rate": "12.5%", "every": "7d"}}, {"percent": {"rate": "100%", "every": "1d"}},
    {"linear": "30m"}, {"linear": "1d"}, {"linear": "7d"}, {"linear": "90d"},
    {"expire": "45s"}, {"expire": "1d"}, {"expire": "7d"}, {"expire": "180d"}, {"expire": "730d"},
)  # fmt: skip
_TYPE_TESTS: tuple[Any, ...] = (
    *["page.viewed"] * 7,
    *["form.submitted"] * 5,
    *TYPES,
    ["email.opened", "page.viewed"],
    ["form.submitted", "meter.read", "sales.won", "contact.erased"],
    {"starts_with": "email."},
    {"like": "*.viewed"},
    {"not_in": ["meter.read", "sales.won"]},
    {"contains": "."},
    {"ends_with": "ed"},
    "contact.updated",
    "score.adjusted",
    {"starts_with": "contact."},
    {"starts_with": "sales."},
    "sales.called",
    *FEEDBACK_TYPES[1:3],
)
_PROPERTY_TESTS: tuple[tuple[str, Any], ...] = (
    ("properties.key", {"exists": True}),
    ("properties.key", {"exists": False}),
    ("properties.key", "a"),
    ("properties.key", {"not": None}),
    ("properties.n", {"at_least": 2}),
    ("properties.n", {"more_than": 1, "less_than": 3}),
    ("properties.n", [1, "2", True]),
    ("properties.a.b", 1),
    ("properties.a.b", {"not_in": [1, None]}),
    ("properties.title", {"exists": True}),
    ("source", "web"),
    ("source", {"exists": False}),
)
_LIMITS: tuple[Json | None, ...] = (
    None, None, None, None, None, None, None,
    {"times": 1, "within": "1h"}, {"times": 2, "within": "1d"}, {"times": 1, "within": "7d"}, {"times": 3, "within": "30d"},
    {"times": 1, "per": "day"}, {"times": 2, "per": "day"}, {"times": 1, "per": "week"}, {"times": 1, "per": "month"},
)  # fmt: skip
_ONCE: tuple[Any, ...] = (
    None, None, None, None, None, None, "contact", "properties.key", ["properties.key", "type"], "properties.a.b", ["source"],
)  # fmt: skip


def generated_rule(choices: Choices, name: str, groups: Json, group_names: Sequence[str]) -> Json:
    """Return a rule called *name*, about events or, now and then, about attributes alone."""
    group = choices.one(group_names)
    is_pool = "drain" in groups.get(group, {})
    if not is_pool and choices.chance(5):
        return _in_group({"rule": name, "when": attribute_condition(choices), "points": choices.one(POINTS)}, group)
    rule: Json = {"rule": name, "when": event_condition(choices)}
    if choices.chance(5):
        rule["machine"] = choices.one((True, "any", False))
    resets = choices.chance(7)
    if resets:
        rule["reset"] = choices.some(group_names, 1, 2)
        if choices.chance(2):
            return rule  # it drops points and gives none
    rule["points"] = choices.one(POINTS)
    once, limit = choices.one(_ONCE), choices.one(_LIMITS)
    if once is not None:
        rule["once_per"] = once
    if limit is not None:
        rule["limit"] = limit
    if not is_pool:
        if choices.below(3):
            rule["decay"] = choices.one(DECAYS)
        if choices.chance(5):
            rule["cap"] = choices.one((40, 15, 100, 0))
    return _in_group(rule, group)


def _in_group(rule: Json, group: str) -> Json:
    return rule if group == "engagement" else rule | {"group": group}


def event_condition(choices: Choices) -> Json:
    """Return a condition that at least one field of the event itself has a part in, so that it makes no fit rule."""
    condition: Json = {"type": choices.one(_TYPE_TESTS)}
    form = choices.one(
        (
            "plain",
            "plain",
            "plain",
            "plain",
            "property",
            "property",
            "attribute",
            "attribute",
            "any",
            "not",
            "open",
            "all",
        )
    )
    field, test = choices.one(_PROPERTY_TESTS)
    if form == "property":
        condition[field] = test
    elif form == "attribute":
        condition |= {"all": [attribute_condition(choices)]} if choices.chance(3) else attribute_condition(choices)
    elif form == "any":
        condition["any"] = [{field: test}, attribute_condition(choices)]
    elif form == "not":
        condition["not"] = attribute_condition(choices) if choices.chance(2) else {field: test}
    elif form == "open":  # no type bounds it: what an event leaves depends on what may become of the attributes
        return {"any": [condition | {field: test}, attribute_condition(choices)]}
    elif form == "all":
        return {"all": [condition, {"not": {"all": [{field: test}, attribute_condition(choices)]}}]}
    return condition
