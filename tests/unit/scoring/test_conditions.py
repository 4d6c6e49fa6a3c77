"""What each operator says of each kind of value, and how conditions combine; expectations worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from worker.contracts.event import Event
from worker.scoring.conditions import all_of, any_of, field_condition, negation
from worker.scoring.model import FieldPath
from worker.scoring.operators import OPERATORS

MISSING = object()


def event(kind: str = "page.viewed", source: str | None = None, **properties: Any) -> Event:
    return Event(
        id="e",
        contact_id="c",
        type=kind,
        occurred_at=0,
        source=source,
        machine=False,
        properties=properties,
    )


OPERATOR_TABLE: list[tuple[str, Any, Any, bool]] = [
    # operator, operand, value of the field, does it hold
    ("is", "Hard", "hard", True),
    ("is", "straße", "STRASSE", True),
    ("is", "hard", "soft", False),
    ("is", "5", 5, False),
    ("is", 5, "5", False),
    ("is", 5, 5.0, True),
    ("is", 0.3, 0.1 + 0.2, True),
    ("is", 1, 1.00000001, False),
    ("is", 1, True, False),
    ("is", 0, False, False),
    ("is", True, 1, False),
    ("is", True, True, True),
    ("is", False, None, False),
    ("is", None, None, True),
    ("is", None, MISSING, True),
    ("is", None, "", False),
    ("is", "a", ["a"], False),
    ("not", "hard", "Hard", False),
    ("not", "hard", "soft", True),
    ("not", "hard", MISSING, True),
    ("not", None, MISSING, False),
    ("not", None, 0, True),
    ("in", ["a", 1, None], "A", True),
    ("in", ["a", 1, None], 1.0, True),
    ("in", ["a", 1, None], True, False),
    ("in", ["a", 1, None], MISSING, True),
    ("in", ["a", 1], MISSING, False),
    ("in", ["a", 1], 2, False),
    ("in", [1, 2, 3], 2.0000000001, True),
    ("in", [3, 1, 2], 0.9999999999, True),
    ("in", [True], 1, False),
    ("in", [True], True, True),
    ("in", ["a"], ["a"], False),
    ("in", ["a"], {"a": 1}, False),
    ("not_in", ["a"], "b", True),
    ("not_in", ["a"], "A", False),
    ("not_in", ["a"], MISSING, True),
    ("not_in", ["a", None], MISSING, False),
    ("at_least", 100, 100, True),
    ("at_least", 100, 99.9999999999, True),
    ("at_least", 100, 99.99999, False),
    ("at_least", 100, "100", False),
    ("at_least", 0, True, False),
    ("at_least", 0, MISSING, False),
    ("at_least", 0, 10**400, True),
    ("less_than", 100, 99.99999, True),
    ("less_than", 100, 99.9999999999, False),
    ("less_than", 100, MISSING, False),
    ("less_than", 100, "a", False),
    ("less_than", 100, -(10**400), True),
    ("more_than", 100, 100.0000000001, False),
    ("more_than", 100, 100.001, True),
    ("more_than", 100, MISSING, False),
    ("at_most", 100, 100.0000000001, True),
    ("at_most", 100, 100.001, False),
    ("at_most", 100, None, False),
    ("starts_with", "/pricing", "/Pricing/eu", True),
    ("starts_with", "/pricing", "x/pricing", False),
    ("starts_with", "1", 12, False),
    ("starts_with", "/pricing", MISSING, False),
    ("ends_with", "@EXAMPLE.com", "ann@example.com", True),
    ("ends_with", "@example.com", "ann@example.org", False),
    ("ends_with", "a", ["a"], False),
    ("contains", "Price", "our prices", True),
    ("contains", "price", "cost", False),
    ("contains", "a", ["b", "A"], True),
    ("contains", "a", ["ab"], False),
    ("contains", 5, [1, 5.0], True),
    ("contains", 1, [True], False),
    ("contains", True, [True], True),
    ("contains", 5, "15", False),
    ("contains", 5, 5, False),
    ("contains", "a", {"a": 1}, False),
    ("contains", "a", MISSING, False),
    ("like", "/blog/*/prici?g", "/Blog/2026/pricing", True),
    ("like", "/blog", "/blog/", False),
    ("like", "*", "", True),
    ("like", "*", MISSING, False),
    ("like", "*", 5, False),
    ("exists", True, "", True),
    ("exists", True, False, True),
    ("exists", True, {}, True),
    ("exists", True, None, False),
    ("exists", True, MISSING, False),
    ("exists", False, MISSING, True),
    ("exists", False, 0, False),
]


@pytest.mark.parametrize(("operator", "operand", "value", "holds"), OPERATOR_TABLE)
def test_operator_decides_as_the_table_says(operator: str, operand: Any, value: Any, holds: bool) -> None:
    condition = field_condition(FieldPath("properties", ("x",)), {operator: operand})
    assert condition.holds(event() if value is MISSING else event(x=value)) is holds


def test_table_has_every_operator() -> None:
    assert {row[0] for row in OPERATOR_TABLE} == set(OPERATORS)


@pytest.mark.parametrize(
    ("properties", "holds"),
    [
        ({"a": {"b": {"c": "x"}}}, True),
        ({"a": {"b": {"c": "y"}}}, False),
        ({"a": {"b": "x"}}, False),
        ({"a": [{"b": {"c": "x"}}]}, False),
        ({"a.b.c": "x"}, False),
        ({}, False),
    ],
)
def test_path_walks_nested_objects_at_its_dots(properties: dict[str, Any], holds: bool) -> None:
    condition = field_condition(FieldPath("properties", ("a", "b", "c")), {"is": "x"})
    assert condition.holds(event(**properties)) is holds


def test_missing_step_of_a_path_is_null() -> None:
    condition = field_condition(FieldPath("properties", ("a", "b")), {"exists": False})
    assert condition.holds(event(a=5))
    assert condition.holds(event())


def test_type_and_source_are_compared_exactly() -> None:
    assert not field_condition(FieldPath("type"), {"is": "Page.Viewed"}).holds(event())
    assert not field_condition(FieldPath("type"), {"starts_with": "PAGE."}).holds(event())
    assert not field_condition(FieldPath("source"), {"is": "CRM"}).holds(event(source="crm"))
    assert field_condition(FieldPath("source"), {"in": ["crm", None]}).holds(event())
    assert not field_condition(FieldPath("source"), {"like": "*"}).holds(event())


def test_all_operators_of_a_test_must_hold() -> None:
    condition = field_condition(FieldPath("properties", ("n",)), {"at_least": 5, "less_than": 10})
    assert [condition.holds(event(n=n)) for n in (4, 5, 9, 10)] == [False, True, True, False]


def test_field_without_a_test_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one test"):
        field_condition(FieldPath("type"), {})


VIEWED = field_condition(FieldPath("type"), {"is": "page.viewed"})
CLICKED = field_condition(FieldPath("type"), {"is": "email.clicked"})
EITHER = field_condition(FieldPath("type"), {"in": ["page.viewed", "email.clicked"]})
IN_PAGE = field_condition(FieldPath("type"), {"starts_with": "page."})
DEEP = field_condition(FieldPath("properties", ("a", "b")), {"is": 1})
PRICING = field_condition(FieldPath("properties", ("path",)), {"starts_with": "/pricing"})


@pytest.mark.parametrize(
    ("condition", "types"),
    [
        (VIEWED, {"page.viewed"}),
        (EITHER, {"page.viewed", "email.clicked"}),
        (field_condition(FieldPath("type"), {"in": ["a", "b"], "not": "a"}), {"b"}),
        (IN_PAGE, None),
        (PRICING, None),
        (all_of([VIEWED, PRICING]), {"page.viewed"}),
        (all_of([PRICING, EITHER, VIEWED]), {"page.viewed"}),
        (all_of([VIEWED, CLICKED]), set()),
        (any_of([VIEWED, CLICKED]), {"page.viewed", "email.clicked"}),
        (any_of([all_of([VIEWED, PRICING]), CLICKED]), {"page.viewed", "email.clicked"}),
        (any_of([VIEWED, PRICING]), None),
        (negation(VIEWED), None),
        (all_of([negation(VIEWED), CLICKED]), {"email.clicked"}),
    ],
)
def test_types_name_every_type_that_a_condition_can_hold_for(condition: Any, types: set[str] | None) -> None:
    """If a type is left out here, its events give no points."""
    assert condition.types == (None if types is None else frozenset(types))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # page.viewed /pricing, page.viewed /blog, email.clicked /pricing, email.clicked a.b = 1
        (VIEWED, (True, True, False, False)),
        (all_of([VIEWED, PRICING]), (True, False, False, False)),
        (all_of([PRICING, EITHER]), (True, False, True, False)),
        (all_of([CLICKED, DEEP]), (False, False, False, True)),
        (all_of([IN_PAGE, PRICING]), (True, False, False, False)),
        (all_of([IN_PAGE, PRICING, negation(DEEP)]), (True, False, False, False)),
        (all_of([EITHER, VIEWED]), (True, True, False, False)),
        (all_of([VIEWED, CLICKED]), (False, False, False, False)),
        (any_of([CLICKED, PRICING]), (True, False, True, True)),
        (any_of([all_of([VIEWED, PRICING]), DEEP]), (True, False, False, True)),
        (negation(any_of([CLICKED, PRICING])), (False, True, False, False)),
        (all_of([VIEWED, negation(PRICING)]), (False, True, False, False)),
        (all_of([any_of([VIEWED])]), (True, True, False, False)),
    ],
)
def test_combined_conditions_hold_for_the_right_events(condition: Any, expected: tuple[bool, ...]) -> None:
    events = (
        event(path="/pricing"),
        event(path="/blog"),
        event("email.clicked", path="/pricing"),
        event("email.clicked", a={"b": 1}),
    )
    assert tuple(condition.holds(one) for one in events) == expected
    for one in events:
        assert condition.types is None or one.type in condition.types or not condition.holds(one)
