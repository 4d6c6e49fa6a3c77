from __future__ import annotations

from typing import Any

from tests.support.small import DAY, START, event_value
from tests.support.small_history import history
from worker.fitting.timelines import attributes_at, read_timelines


def test_events_stand_in_event_time_whatever_order_they_came_in() -> None:
    found = history(("b", 2, ""), ("a", 1, ""), ("c", 3, "")).contacts[0]
    assert [one.type for one in found.happenings] == ["a", "b", "c"]
    assert found.first_ms == START + DAY


def test_a_repeated_id_counts_once_as_it_does_live() -> None:
    found = history(("a", 1, "same"), ("a", 2, "same"), ("a", 3, "other")).contacts[0]
    assert [one.at_ms for one in found.happenings] == [START + DAY, START + 3 * DAY]


def test_the_same_id_of_two_contacts_is_two_events() -> None:
    lines = [event_value("a", START, "same", contact=name) for name in "xy"]
    assert len(read_timelines(lines).contacts) == 2


def test_lines_that_hold_no_event_are_counted_by_code_and_empty_ones_are_not() -> None:
    found = read_timelines([b"no event", b"", b"  ", event_value("a"), b"[]"])
    assert found.refused == {"event.not_json": 1, "event.not_object": 1}
    assert found.types == {"a": 1}


def test_an_empty_history_has_no_time() -> None:
    found = read_timelines([])
    assert (found.first_ms, found.last_ms, found.contacts) == (0, 0, [])


def test_values_are_scalars_by_path_and_what_no_model_can_name_is_left_out() -> None:
    properties: dict[str, Any] = {"n": 1, "o": {"p": "x", "q": [1]}, "dotted.key": 1, "": 1, "none": None, "list": []}
    line = event_value("a", **properties)
    happening = read_timelines([line]).contacts[0].happenings[0]
    assert happening.values == {"n": 1, "o.p": "x"}
    assert happening.cleared == ("none",)


def test_what_was_erased_is_not_learned_from() -> None:
    found = history(("a", 1, ""), ("contact.erased", 2, ""), ("b", 2, ""), ("c", 3, ""))
    assert [one.type for one in found.contacts[0].happenings] == ["c"]
    assert not history(("a", 1, ""), ("contact.erased", 2, "")).contacts


def test_attributes_are_as_the_newest_update_left_them() -> None:
    lines = [
        event_value("contact.updated", START, "1", title="clerk", company={"size": 5, "name": "A"}),
        event_value("contact.updated", START + DAY, "2", company={"size": 9}),
        event_value("contact.updated", START + 2 * DAY, "3", title=None),
    ]
    contact = read_timelines(lines).contacts[0]
    assert attributes_at(contact, START) == {"title": "clerk", "company.size": 5, "company.name": "A"}
    assert attributes_at(contact, START + DAY) == {"title": "clerk", "company.size": 9}
    assert attributes_at(contact, START + 2 * DAY) == {"company.size": 9}
