from __future__ import annotations

from collections import Counter

import orjson
import pytest

from worker.contracts.event_decoding import decode_event
from worker.contracts.partitioner import partition_of
from worker.demo.mishaps import Arrival, Fate, Mishaps, arrivals
from worker.demo.traffic import Event
from worker.errors import EventRefused

END = 2_000_000_000_000
PARTITIONS = 4
NONE = Mishaps(repeated=0, late=0, malformed=0, misplaced=0)


def visits(count: int) -> list[tuple[int, Event]]:
    return [
        (
            1_760_000_000_000 + n * 1000,
            {
                "id": f"e{n}",
                "contact_id": f"c{n % 50}",
                "type": "session.started",
                "occurred_at": 1_760_000_000_000 + n * 1000,
            },
        )
        for n in range(count)
    ]


def arrived(events: list[tuple[int, Event]], mishaps: Mishaps, *, end_ms: int = END) -> list[Arrival]:
    return list(arrivals(events, seed=3, partitions=PARTITIONS, mishaps=mishaps, end_ms=end_ms))


def is_home(arrival: Arrival) -> bool:
    return arrival.partition == partition_of(arrival.key, PARTITIONS)


def test_without_mishaps_every_event_arrives_once_at_once_where_it_belongs() -> None:
    events = visits(200)
    found = arrived(events, NONE)
    assert [(one.at_ms, orjson.loads(one.value)) for one in found] == events
    assert all(is_home(one) and one.fate == "sent" for one in found)


@pytest.mark.parametrize("fate", ["repeated", "late", "malformed", "misplaced"])
def test_mishap_happens_about_as_often_as_asked_and_loses_no_event(fate: Fate) -> None:
    events = visits(5000)
    found = arrived(events, NONE._replace(**{fate: 100}))
    counted = Counter(one.fate for one in found)
    assert 400 < counted[fate] < 600  # 100 of 1,000
    whole = {orjson.loads(one.value)["id"] for one in found if one.fate != "malformed"}
    assert whole == {event["id"] for _, event in events}


def test_repeat_has_the_bytes_of_its_original_and_comes_after_it() -> None:
    found = arrived(visits(2000), NONE._replace(repeated=100))
    first: dict[bytes, int] = {}
    for one in found:
        assert is_home(one)
        if one.fate == "repeated":
            assert first[one.value] < one.at_ms
        first.setdefault(one.value, one.at_ms)
    assert len(first) == 2000


def test_late_event_arrives_after_younger_ones_but_not_after_the_end() -> None:
    events = visits(2000)
    end_ms = events[-1][0] + 60_000
    found = arrived(events, NONE._replace(late=100), end_ms=end_ms)
    late = [one for one in found if one.fate == "late"]
    assert late
    assert all(orjson.loads(one.value)["occurred_at"] < one.at_ms <= end_ms for one in late)
    assert [one.at_ms for one in found] == sorted(one.at_ms for one in found)


def test_malformed_record_is_refused_and_misplaced_one_is_a_good_event_elsewhere() -> None:
    for one in arrived(visits(2000), NONE._replace(malformed=100, misplaced=100)):
        if one.fate == "malformed":
            with pytest.raises(EventRefused):
                decode_event(one.value, one.key)
        else:
            decode_event(one.value, one.key)
            assert is_home(one) == (one.fate != "misplaced")


def test_one_partition_has_no_wrong_one() -> None:
    found = list(arrivals(visits(500), seed=1, partitions=1, mishaps=NONE._replace(misplaced=500), end_ms=END))
    assert {(one.partition, one.fate) for one in found} == {(0, "sent")}


@pytest.mark.parametrize(
    ("event_type", "machine", "expected"),
    [("email.delivered", False, False), ("email.opened", True, False), ("email.opened", False, True)],
)
def test_repeat_of_what_no_model_looks_at_cannot_be_noticed(event_type: str, machine: bool, expected: bool) -> None:
    events = [(at, {**event, "type": event_type, "machine": machine}) for at, event in visits(300)]
    repeats = [one for one in arrived(events, NONE._replace(repeated=500)) if one.fate == "repeated"]
    assert repeats
    assert {one.leaves_trace for one in repeats} == {expected}
