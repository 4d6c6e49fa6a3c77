from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.small import DAY, START, event_value
from worker.fitting.candidates import Limits, propose
from worker.fitting.features import Condition, Feature
from worker.fitting.looks import Look, Question, judged_contacts, looks_at
from worker.fitting.timelines import read_timelines

QUESTION = Question("won", frozenset({"signed"}), within_ms=30 * DAY, ages_ms=(DAY, 7 * DAY))
FEW = Limits(support=3)
Acts = Sequence[tuple[str, float, Mapping[str, Any]]]
"""Type, day and properties of each event of a contact."""


def looks(*contacts: Acts) -> list[Look]:
    """Return the looks at *contacts*, each a list of (type, day, properties)."""
    lines = [
        event_value(name, START + round(day * DAY), f"{place}", contact=f"c{number:03}", **properties)
        for number, acts in enumerate(contacts)
        for place, (name, day, properties) in enumerate(acts)
    ]
    return looks_at(judged_contacts(read_timelines(lines).contacts, QUESTION, START, START + 99 * DAY), QUESTION)


def test_a_type_needs_contacts_that_have_it_and_contacts_that_do_not() -> None:
    plain: Acts = [("begun", 0, {})]
    found = looks(*[[*plain, ("seldom", 1, {})]] * 2, *[[*plain, ("often", 1, {})]] * 3, *[plain] * 3)
    assert propose(found, FEW, None) == [Feature(Condition("often"), "once")]


def test_what_only_happens_when_all_is_certain_is_no_candidate() -> None:
    """If this fails, a model is built on what nobody can know in time."""
    winner: Acts = [
        ("begun", 0, {}),
        ("thanked", 5, {}),
        ("signed", 5, {}),
        ("won", 6, {}),
        ("served", 6.5, {}),
    ]
    assert propose(looks(*[winner] * 5, *[winner[:1]] * 5), FEW, None) == []


def test_counts_are_capped_where_nine_in_ten_lie_below_and_fading_is_tried_when_asked_for() -> None:
    often: Acts = [("read", day, {}) for day in range(4)]
    found = looks(*[often] * 5, *[[("begun", 0, {})]] * 5)
    read = Condition("read")
    assert propose(found, FEW, 2 * DAY)[:3] == [
        Feature(read, "once"),
        Feature(read, "count", most=4),
        Feature(read, "recent", most=4, half_life_ms=2 * DAY),
    ]


def test_few_values_are_told_apart_by_name_whatever_their_case() -> None:
    found = looks(*[[("asked", 0, {"plan": plan})] for plan in ["Pro", "pro", "PRO", "free", "free", "free", "odd"]])
    assert propose(found, FEW, None) == [
        Feature(Condition("asked", "plan", equals="free"), "once"),
        Feature(Condition("asked", "plan", equals="pro"), "once"),
    ]


def test_true_is_neither_1_nor_the_text_true() -> None:
    found = looks(*[[("asked", 0, {"flag": flag})] for flag in [True, True, True, "true", "true", "true", 1, 1, 1]])
    values = [feature.condition.equals for feature in propose(found, FEW, None)]
    assert sorted(map(repr, values)) == ["'true'", "1.0", "True"]


def test_many_numbers_are_split_at_fifths() -> None:
    found = looks(*[[("asked", 0, {"amount": 100 * n})] for n in range(1, 21)])
    assert [feature.condition.at_least for feature in propose(found, FEW, None)] == [500.0, 900.0, 1300.0, 1700.0]


def test_many_texts_are_left_alone() -> None:
    assert propose(looks(*[[("asked", 0, {"name": f"n{n}"})] for n in range(40)]), FEW, None) == []


def test_a_value_that_a_contact_never_changes_is_looked_at_once() -> None:
    """An amount that stands on every event of a contact would else make a rule for each type of event."""
    acts = [[("asked", 0, {"plan": plan}), ("sent", 0.5, {"plan": plan})] for plan in ["a", "b"] * 4]
    found = looks(*acts, [("asked", 0, {"plan": "a"})])
    assert {feature.condition.type for feature in propose(found, FEW, None) if feature.condition.path} == {"asked"}


def test_ignored_properties_and_reserved_types_are_no_reasons() -> None:
    acts: list[Acts] = [
        [("asked", 0, {"seq": n % 2}), ("sales.accepted", 0.5, {}), ("score.adjusted", 0.6, {"points": 5})]
        for n in range(8)
    ]
    assert propose(looks(*acts, *[[("asked", 0, {})]] * 4), Limits(3, frozenset({"seq"})), None) == []


def test_attributes_make_fit_rules() -> None:
    acts: list[Acts] = [[("contact.updated", 0, {"title": title})] for title in ["ceo", "clerk"] * 4]
    assert propose(looks(*acts), FEW, None) == [
        Feature(Condition(None, "title", equals="ceo"), "holds"),
        Feature(Condition(None, "title", equals="clerk"), "holds"),
    ]
