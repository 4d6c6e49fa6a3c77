"""What a contact may be said to be, and what a model may ask of it: every type of JSON, equal and nearly equal values."""

from __future__ import annotations

from typing import Any

from tests.support.choices import Choices

Json = dict[str, Any]

LONGEST = "x" * 1_022
"""As JSON it has 1,024 bytes, quotes and all: the most that is kept of one value."""

VALUES: dict[str, tuple[Any, ...]] = {
    "title": ("founder", None, "Founder", "ceo", "", None, 5, ["founder"]),
    "country": ("de", "DE", "fr", "ä", "Ä", None),
    "employees": (50, 5, 49.9999999995, 50.0, 2**70, -1, 0, True, "50", 1e22, None),
    "email": ("a@shop.de", "A@Example.com", "", None, [], {}),
    "company": ({"size": 50, "name": "X"}, {"size": None}, {"size": {"size": 50}}, {}, "none", [50], None),
    "tags": (["vip", "eu"], ["VIP"], [], [1.0, True, None], "vip", {"vip": 1}, None),
    "note": (LONGEST, LONGEST + "x", "é" * 511, "é" * 511 + "x", '"' * 511, '"' * 512, [LONGEST], "short", None),
}
"""By name; a null, and whatever is longer than the longest, takes the value away."""

_NAMES = ("title", *VALUES, "title", "employees", "title", "email")
"""Some are learnt again and again, so that values meet older, newer and removed ones of their own name."""

NOT_ASKED_FOR = ("nickname", "company.size", "Title", "", "é")
"""Names that no model asks for; a path is split at its dots, so the second is no size of a company."""

TESTS: tuple[tuple[str, Any], ...] = (
    ("attributes.title", ["founder", "ceo"]),
    ("attributes.title", "FOUNDER"),
    ("attributes.title", {"not": "ceo"}),
    ("attributes.title", {"exists": False}),
    ("attributes.country", "DE"),
    ("attributes.country", {"not_in": ["de", None]}),
    ("attributes.country", {"in": ["Ä", "fr"]}),
    ("attributes.employees", {"at_least": 50}),
    ("attributes.employees", {"more_than": 5, "at_most": 50}),
    ("attributes.employees", {"less_than": 50}),
    ("attributes.employees", True),
    ("attributes.email", {"ends_with": "@example.com"}),
    ("attributes.email", {"like": "?@*.de"}),
    ("attributes.email", {"exists": True}),
    ("attributes.company.size", {"at_least": 50}),
    ("attributes.company.size", None),
    ("attributes.company.size.size", 50),
    ("attributes.tags", {"contains": "vip"}),
    ("attributes.tags", {"contains": 1}),
    ("attributes.note", {"exists": True}),
    ("attributes.note", {"starts_with": "É"}),
)
"""A field of a condition and its test."""

PATHS = tuple(dict.fromkeys(field for field, _ in TESTS))


def attribute_condition(choices: Choices) -> Json:
    """Return a condition that names attributes only."""
    field, test = choices.one(TESTS)
    first: Json = {field: test}
    form = choices.one(("plain", "plain", "plain", "two", "any", "not", "all", "nested"))
    if form == "plain":
        return first
    field, test = choices.one(TESTS)
    second: Json = {field: test}
    if form == "two":
        return second | first
    if form == "any":
        return {"any": [first, second]}
    if form == "not":
        return {"not": first}
    if form == "all":
        return {"all": [first, {"not": second}]}
    return {"any": [{"all": [first, second]}, {"not": {"any": [first, second]}}]}


def attributes(choices: Choices) -> Json:
    """Return what an event of type `contact.updated` says: mostly names that models ask for, some that none does."""
    said = {name: choices.one(VALUES[name]) for name in choices.some(_NAMES, 0, 3)}
    if choices.chance(4):
        said[choices.one(NOT_ASKED_FOR)] = choices.one((1, None, LONGEST + "x", {"size": 50}))
    return said
