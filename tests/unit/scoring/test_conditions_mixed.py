"""Conditions on an event and on attributes at once: what is decided on the event, what is kept, what attributes decide later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import accept, event, rule, small_model, trace_of
from worker.contracts.event import Event
from worker.errors import ModelError
from worker.scoring.conditions import MAX_LEAVES, Condition, all_of, any_of, field_condition, negation
from worker.scoring.history import History
from worker.scoring.model import FieldPath
from worker.scoring.reading import read

EVENTS = [event(kind, n=n, m=m) for kind, n, m in product("ab", (0, 1), (0, 1))]
ATTRIBUTES: list[dict[str, Any]] = [
    {name: value for name, value in (("x", x), ("y", y)) if value is not None}
    for x, y in product((None, 0, 1), (None, 1))
]


def on_type(name: str) -> Condition:
    return field_condition(FieldPath("type"), {"is": name})


def on_property(name: str) -> Condition:
    return field_condition(FieldPath("properties", (name,)), {"is": 1})


def on_attribute(name: str) -> Condition:
    return field_condition(FieldPath("attributes", (name,)), {"is": 1})


def test_condition_on_attributes_alone_is_a_fit_and_any_event_may_meet_it() -> None:
    condition = all_of([on_attribute("x"), negation(on_attribute("y"))])
    assert (condition.is_fit, condition.is_mixed, condition.types) == (True, False, None)
    assert all(condition.holds(one) for one in EVENTS)
    assert condition.settles(0, {"x": 1})
    assert not condition.settles(0, {"x": 1, "y": 1})
    assert not condition.settles(0, {})


def test_condition_on_the_event_alone_leaves_nothing_open() -> None:
    condition = all_of([on_type("a"), negation(on_property("n"))])
    assert (condition.is_fit, condition.is_mixed, condition.leaves) == (False, False, ())
    assert condition.settles(-1, {})


def test_parts_that_look_at_the_event_are_one_leaf_and_keep_their_types() -> None:
    condition = all_of([on_type("a"), on_property("n"), on_attribute("x")])
    assert (condition.types, condition.is_mixed, len(condition.leaves)) == (frozenset("a"), True, 1)
    assert condition.holds(event("a", n=1))
    assert not condition.holds(event("a", n=2))  # no attribute can help it
    assert not condition.holds(event("b", n=1))
    residue = condition.residue(event("a", n=1))
    assert residue == 1
    assert condition.settles(residue, {"x": 1})
    assert not condition.settles(residue, {"x": 2})


def test_event_that_meets_one_of_several_is_decided_whatever_the_attributes_are() -> None:
    condition = any_of([on_property("n"), on_attribute("x")])
    assert condition.residue(event("a", n=1)) == -1
    assert condition.settles(-1, {})
    assert condition.residue(event("a", n=0)) == 0
    assert condition.settles(0, {"x": 1})
    assert not condition.settles(0, {})


def test_alternatives_are_told_apart_by_their_own_bits() -> None:
    condition = any_of([all_of([on_type("a"), on_attribute("x")]), all_of([on_type("b"), on_attribute("y")])])
    assert condition.types == frozenset("ab")
    of_a, of_b = (condition.residue(event(kind)) for kind in "ab")
    assert (of_a, of_b) == (0b01, 0b10)
    assert [condition.settles(residue, {"x": 1}) for residue in (of_a, of_b)] == [True, False]
    assert [condition.settles(residue, {"y": 1}) for residue in (of_a, of_b)] == [False, True]


def test_any_of_with_an_attribute_may_hold_for_every_type() -> None:
    """If this fails, the rule is never looked at for events of other types."""
    assert any_of([on_type("a"), on_attribute("x")]).types is None


def test_negation_of_a_mixed_condition_may_hold_for_every_type() -> None:
    condition = negation(all_of([on_type("a"), on_attribute("x")]))
    assert condition.types is None
    assert condition.residue(event("b")) == -1
    residue = condition.residue(event("a"))
    assert residue == 1
    assert condition.settles(residue, {})
    assert not condition.settles(residue, {"x": 1})


def test_negation_is_open_where_what_it_negates_is_open() -> None:
    """Not (n or x): n decides against it, without n the attribute decides."""
    condition = negation(any_of([on_property("n"), on_attribute("x")]))
    assert not condition.holds(event("a", n=1))
    assert condition.holds(event("a", n=0))
    assert condition.residue(event("a", n=0)) == 0


class Pair(NamedTuple):
    """A compiled condition, and what it means."""

    compiled: Condition
    meaning: Callable[[Event, Mapping[str, Any]], bool]


LEAVES = [
    Pair(on_type("a"), lambda one, _: one.type == "a"),
    Pair(on_type("b"), lambda one, _: one.type == "b"),
    Pair(on_property("n"), lambda one, _: one.properties["n"] == 1),
    Pair(on_property("m"), lambda one, _: one.properties["m"] == 1),
    Pair(on_attribute("x"), lambda _, attributes: attributes.get("x") == 1),
    Pair(on_attribute("y"), lambda _, attributes: attributes.get("y") == 1),
]


def combined(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(
            lambda parts: Pair(
                all_of([part.compiled for part in parts]),
                lambda one, known: all(part.meaning(one, known) for part in parts),
            )
        ),
        several.map(
            lambda parts: Pair(
                any_of([part.compiled for part in parts]),
                lambda one, known: any(part.meaning(one, known) for part in parts),
            )
        ),
        inner.map(lambda part: Pair(negation(part.compiled), lambda one, known: not part.meaning(one, known))),
    )


@given(st.recursive(st.sampled_from(LEAVES), combined, max_leaves=8))
def test_any_combination_means_the_same_in_two_halves_as_in_one(pair: Pair) -> None:
    """If this fails, an event that is folded again after a restart gives other awards."""
    condition, meaning = pair
    for one in EVENTS:
        truths = [meaning(one, known) for known in ATTRIBUTES]
        if condition.types is not None and one.type not in condition.types:
            assert not any(truths)
        if not condition.holds(one):
            assert not any(truths)
            continue
        if condition.is_fit:
            assert [condition.settles(0, known) for known in ATTRIBUTES] == truths
            continue
        residue = condition.residue(one) if condition.is_mixed else -1
        assert [condition.settles(residue, known) for known in ATTRIBUTES] == truths
        if residue < 0:
            assert all(truths)


def many_leaves(number: int) -> dict[str, Any]:
    """A rule whose condition has *number* leaves."""
    parts = [{"properties.n": n, f"attributes.x{n % 2}": n} for n in range(number)]
    return {"when": {"type": "act", "any": parts}, "points": 1}


def test_condition_of_as_many_leaves_as_are_kept_is_decided_by_the_last_one() -> None:
    model = small_model(many_leaves(MAX_LEAVES - 1))  # and the type
    assert len(model.rules[0].when.leaves) == MAX_LEAVES == 60  # type: ignore[attr-defined]
    history = History()
    accept(history, model, "contact.updated", 1_767_225_600_000, x0=58, x1=57)
    for number in (0, 58, 57, 56):
        accept(history, model, "act", 1_767_225_600_001, f"e{number}", n=number)
    assert read(model, history.head(model), 1_767_225_600_001).score == 2.0


def test_condition_of_one_leaf_more_is_refused() -> None:
    with pytest.raises(ModelError, match="at most 60 separate parts"):
        small_model(many_leaves(MAX_LEAVES))


def test_trace_keeps_what_each_rule_leaves_open() -> None:
    model = small_model(
        rule("a", 1),
        {"when": {"type": "a", "attributes.x": 1}, "points": 1},
        {"when": {"any": [{"properties.n": 1}, {"attributes.x": 1}]}, "points": 1},
        {"when": {"attributes.x": 1}, "points": 1},
    )
    trace = trace_of(model, event("a", n=1))
    assert (trace.matches, trace.residues) == (((0, None), (1, None), (2, None)), (-1, 1, -1))
    trace = trace_of(model, event("b"))
    assert (trace.matches, trace.residues) == (((2, None),), (0,))


def test_event_that_only_attributes_can_make_count_leaves_a_trace() -> None:
    """Which attributes the contact has is known only where the event is folded, now or again."""
    model = small_model({"when": {"type": "a", "attributes.x": 1}, "points": 5})
    history = History()
    accept(history, model, "a", 1_767_225_600_005)
    assert read(model, history.head(model), 1_767_225_600_005).score == 0.0
    accept(history, model, "contact.updated", 1_767_225_600_000, x=1)
    assert read(model, history.head(model), 1_767_225_600_005).score == 5.0


def test_update_is_merged_before_the_rules_are_tested_on_it() -> None:
    model = small_model({"when": {"type": "contact.updated", "attributes.x": 1}, "points": 5})
    history = History()
    assert accept(history, model, "contact.updated", 1_767_225_600_000, x=1).gained
    assert not accept(history, model, "contact.updated", 1_767_225_600_001, x=2).gained
    assert read(model, history.head(model), 1_767_225_600_001).score == 5.0
