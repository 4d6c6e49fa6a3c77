"""Attributes are merged name by name, the later write wins, and arrival order never matters."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, accept, event, rule, small_model, trace_of
from worker.scoring.attributes import WINDOW_BYTES, forget_removed, json_bytes, kept_of, merge
from worker.scoring.history import History
from worker.scoring.state import Fold

NAMES = ("a", "b", "c")
MODEL = small_model(
    rule("act", 1),
    {"when": {"type": "x", "attributes.a": 1}, "points": 1},
    {"when": {"attributes.b.deep": 1}, "points": 1},
    qualify={
        "when": {"score": {"at_least": 1}, "attributes.c": {"exists": True}},
        "rearm": {"attributes.d": 1},
        "exclude": {"attributes.e": 1},
        "require": ["attributes.f.deep"],
        "include": ["attributes.g"],
    },
)


def merged(*writes: tuple[dict[str, Any], int]) -> Fold:
    fold = Fold()
    for values, dated_ms in writes:
        merge(fold, values, dated_ms)
    return fold


def test_names_that_a_model_keeps_are_those_it_names_anywhere() -> None:
    assert MODEL.attributes == {"a", "b", "c", "d", "e", "f", "g"}


def test_update_keeps_what_the_model_names_and_nothing_else() -> None:
    trace = trace_of(MODEL, event("contact.updated", a=1, b={"deep": 2, "other": 3}, z="private"))
    assert trace.update is not None
    assert trace.update.values == {"a": 1, "b": {"deep": 2, "other": 3}}
    assert trace_of(MODEL, event("contact.updated", z="private")).update is None


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 4),
        (True, 4),
        (2**70, 22),
        (-0.5, 4),
        ("", 2),
        ("é", 4),  # two bytes, not an escape of six
        ("😀", 6),
        ('"\\\n', 8),
        ([1, "a"], 7),
        ({"a": [1, None]}, 14),
    ],
)
def test_size_of_a_value_is_that_of_its_compact_json(value: object, size: int) -> None:
    assert json_bytes(value) == size


@pytest.mark.parametrize(("length", "is_kept"), [(1_022, True), (1_023, False)])
def test_value_of_more_than_1024_bytes_is_taken_for_null(length: int, is_kept: bool) -> None:
    text = "x" * length  # and two quotes
    update = kept_of({"a": text, "b": 1}, NAMES)
    assert update.values == {"a": text if is_kept else None, "b": 1}
    assert update.dropped == (not is_kept)
    assert update.size_bytes == (1_024 if is_kept else 4) + 1


def test_later_write_wins_name_by_name() -> None:
    fold = merged(({"a": 1, "b": 1}, START), ({"a": 2}, START + 1))
    assert fold.attributes == {"a": 2, "b": 1}
    assert fold.attribute_dates == {"a": START + 1, "b": START}


def test_older_write_loses_where_it_comes_later_and_wins_where_nothing_was_written() -> None:
    fold = merged(({"a": 2}, START), ({"a": 1, "b": 1}, START - DAY))
    assert fold.attributes == {"a": 2, "b": 1}
    assert fold.attribute_dates == {"a": START, "b": START - DAY}


def test_write_of_the_same_instant_that_is_folded_last_wins() -> None:
    assert merged(({"a": 1}, START), ({"a": 2}, START)).attributes == {"a": 2}


def test_null_removes_a_name_and_an_older_write_does_not_bring_it_back() -> None:
    fold = merged(({"a": 1}, START), ({"a": None}, START + 1), ({"a": 2}, START))
    assert (fold.attributes, fold.attribute_dates) == ({}, {"a": START + 1})
    merge(fold, {"a": 3}, START + 1)
    assert fold.attributes == {"a": 3}


def test_null_of_a_name_that_was_never_written_is_remembered_too() -> None:
    fold = merged(({"a": None}, START + 1), ({"a": 2}, START))
    assert fold.attributes == {}


def test_date_of_a_removed_name_is_forgotten_when_its_window_has_passed_and_no_other() -> None:
    fold = merged(({"a": 1, "b": 1}, START), ({"a": None}, START + 1), ({"c": None}, START + 2))
    forget_removed(fold, START + 2)
    assert fold.attribute_dates == {"b": START, "c": START + 2}


def test_merging_leaves_the_attributes_of_a_copy_alone() -> None:
    fold = merged(({"a": 1}, START))
    copied = fold.copy()
    merge(fold, {"a": 2}, START)
    assert (copied.attributes, fold.attributes) == ({"a": 1}, {"a": 2})


WRITES: list[tuple[str, int, str, dict[str, Any]]] = [
    ("contact.updated", START, "1", {"a": 1, "b": 1}),
    ("contact.updated", START + HOUR, "2", {"a": None}),
    ("contact.updated", START + HOUR, "1", {"a": 2, "c": 2}),
    ("contact.updated", START + 2 * HOUR, "3", {"b": {"deep": 1}, "c": None}),
]


def test_every_order_of_arrival_gives_the_same_attributes() -> None:
    for order in permutations(WRITES):
        history = History()
        for event_type, at_ms, event_id, values in order:
            accept(history, MODEL, event_type, at_ms, f"{at_ms} {event_id}", **values)
        fold = history.head(MODEL)
        assert fold.attributes == {"b": {"deep": 1}}  # of one instant the greater id, 2, is folded last
        assert fold.attribute_dates == {"a": START + HOUR, "b": START + 2 * HOUR, "c": START + 2 * HOUR}


def test_late_write_loses_against_the_base_but_may_set_what_was_removed_before_the_window() -> None:
    history = History()
    accept(history, MODEL, "contact.updated", START, "1", a=1, b=1)
    accept(history, MODEL, "contact.updated", START + DAY, "2", b=None)
    accept(history, MODEL, "act", START + 20 * DAY)
    assert accept(history, MODEL, "contact.updated", START - DAY, "late", a=9, b=9, c=9).is_late
    assert history.head(MODEL).attributes == {"a": 1, "b": 9, "c": 9}


def test_late_write_loses_against_a_removal_within_the_window() -> None:
    history = History()
    accept(history, MODEL, "act", START)
    accept(history, MODEL, "contact.updated", START + 8 * DAY, "2", b=None)
    accept(history, MODEL, "act", START + 10 * DAY)
    assert accept(history, MODEL, "contact.updated", START + 2 * DAY, "late", b=9).is_late
    assert history.head(MODEL).attributes == {}


def updates(history: History, number: int, size: int, first: int = 0) -> list[int]:
    """Accept *number* updates whose value of `a` takes *size* bytes; return how many events each pushed out."""
    return [
        accept(history, MODEL, "contact.updated", START + n, f"u{n:03}", a="x" * (size - 2)).overflowed
        for n in range(first, first + number)
    ]


def test_window_holds_64_kib_of_attribute_values() -> None:
    history = History()
    assert WINDOW_BYTES == 65_536
    assert updates(history, 64, 1_024) == [0] * 64
    assert updates(history, 1, 4, first=64) == [1]
    assert (len(history.instants), history.base is not None) == (64, True)


def test_events_that_carry_nothing_leave_with_the_full_ones_before_them() -> None:
    history = History()
    accept(history, MODEL, "act", START - 1)
    updates(history, 64, 1_024)
    accept(history, MODEL, "act", START + 100)
    assert len(history.instants) == 66
    assert accept(history, MODEL, "contact.updated", START + 200, b=1).overflowed == 2
    assert history.instants[0] == START + 1


def test_over_long_value_takes_the_room_of_a_null() -> None:
    history = History()
    assert updates(history, 63, 1_024) == [0] * 63
    # 65,536 - 63 * 1,024 = 1,024 = 256 * 4
    assert updates(history, 256, 5_000, first=63) == [0] * 256
    assert updates(history, 1, 5_000, first=319) == [1]


def test_update_that_arrives_out_of_order_takes_its_room_too() -> None:
    history = History()
    updates(history, 64, 1_024, first=1)
    accepted = accept(history, MODEL, "contact.updated", START, "first", a=1)
    assert (accepted.is_late, accepted.overflowed) == (False, 1)
    assert accept(history, MODEL, "contact.updated", START - 1, "second", a=1).is_late
