"""The recount that acceptance rests on, shown topics that are right and topics that are wrong in one place; no broker here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import orjson
import pytest

from tests.support.cluster import PARTITIONS
from tests.support.comparing import Expected, Records, as_file, check_rows, compare_told, differing_rows
from tests.support.simulated import MODEL, simulated_lines
from tests.support.striking import draw_strikes
from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import format_instant
from worker.contracts.partitioner import partition_of
from worker.export import scores_csv, transitions_jsonl
from worker.replay import replay_lines
from worker.scoring.model_file import load_model


class Found(NamedTuple):
    """A record as a consumer gets it, as far as the recount looks."""

    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def in_partitions(records: Sequence[Found]) -> Records:
    return {
        number: [one for one in records if partition_of(one.key, PARTITIONS) == number] for number in range(PARTITIONS)
    }


@pytest.fixture(scope="module")
def expected() -> Expected:
    lines, model = simulated_lines(3000, days=60, contacts=250, seed=3), load_model(MODEL)
    replay = replay_lines([model], lines)
    assert replay.as_of_ms is not None
    scores = scores_csv(replay.scores[MODEL]).encode()
    return Expected(lines, MODEL, model, scores, transitions_jsonl(replay.transitions[MODEL]), replay.as_of_ms)


@pytest.fixture
def told(expected: Expected) -> list[Found]:
    """The qualifications topic as it should be."""
    values = replay_lines([expected.model], expected.lines).transitions[MODEL]
    assert len(values) > 5
    return [_transition(offset, value) for offset, value in enumerate(values)]


def _transition(offset: int, value: bytes) -> Found:
    one = orjson.loads(value)
    return Found(offset, one["contact_id"].encode(), value, (("ce_id", one["id"].encode()),))


def test_a_right_topic_passes_the_recount(expected: Expected, told: list[Found]) -> None:
    found = compare_told(expected, in_partitions(told))
    assert found == (len(told), [], [], 0, [], [])
    assert as_file(in_partitions(told)) == expected.transitions


def test_a_missing_transition_is_lost(expected: Expected, told: list[Found]) -> None:
    found = compare_told(expected, in_partitions(told[1:]))
    assert (len(found.lost), found.doubled, found.repeated) == (1, [], 0)


def test_a_transition_with_another_score_is_one_lost_and_one_doubled(expected: Expected, told: list[Found]) -> None:
    value = told[0].value.replace(b'"score":', b'"score":1')
    found = compare_told(expected, in_partitions([told[0]._replace(value=value), *told[1:]]))
    assert (len(found.lost), len(found.doubled)) == (1, 1)


def test_a_repeat_is_counted_and_its_bytes_are_compared(expected: Expected, told: list[Found]) -> None:
    equal = compare_told(expected, in_partitions([*told, told[0]]))
    assert (equal.repeated, equal.unequal, equal.doubled) == (1, [], [])
    assert as_file(in_partitions([*told, told[0]])) != expected.transitions
    other = told[0]._replace(value=told[0].value.replace(b'"points":', b'"points":1'))
    assert len(compare_told(expected, in_partitions([*told, other])).unequal) == 1


def test_a_transition_under_another_key_is_misplaced(expected: Expected, told: list[Found]) -> None:
    found = compare_told(expected, in_partitions([told[0]._replace(key=b"somebody-else"), *told[1:]]))
    assert len(found.misplaced) == 1


def test_an_unequal_row_is_named(expected: Expected) -> None:
    rows = expected.scores.splitlines(keepends=True)
    assert differing_rows(expected.scores, b"".join(rows)) == []
    assert len(differing_rows(expected.scores, b"".join(rows[:-1]))) == 1
    assert len(differing_rows(expected.scores, expected.scores.replace(b",cold,", b",warm,", 1))) == 1


def test_a_row_of_scores_is_read_again_as_of_its_own_instant(expected: Expected) -> None:
    """Rows of a contact's first events, written in the middle of a history and last of its contact."""
    events = [decode_event(line, None) for line in expected.lines]
    contact = events[-1].contact_id
    own = [
        (event.occurred_at, line)
        for event, line in zip(events, expected.lines, strict=True)
        if event.contact_id == contact
    ]
    rows = []
    for count in range(1, len(own) + 1):
        at_ms = own[count - 1][0]
        result = replay_lines([expected.model], [line for _, line in own[:count]], at_ms)
        if result.scores[MODEL]:
            (line,) = result.scores[MODEL]
            row = {"score": line.shown, "tier": line.tier, "groups": line.groups, "status": line.latch}
            row |= {"as_of": format_instant(at_ms), "version": expected.model.version, "digest": expected.model.digest}
            value = orjson.dumps(
                {"models": {MODEL: row | {"groups": {name: _down(v) for name, v in line.groups.items()}}}}
            )
            rows.append(Found(count, contact.encode(), value))
    assert len(rows) > 3
    right = check_rows(expected, in_partitions(rows), sample=100, seed=1)
    assert (right.records, right.checked, right.wrong) == (len(rows), len(rows), [])
    spoilt = rows[-1]._replace(value=rows[-1].value.replace(b'"score":', b'"score":1'))
    assert len(check_rows(expected, in_partitions([*rows[:-1], spoilt]), sample=100, seed=1).wrong) == 1


def _down(value: float) -> float:
    return (value + 1e-9) * 10 // 1 / 10


def test_strikes_are_those_of_their_seed() -> None:
    drawn = draw_strikes(5, ("a", "b"), 12, "every other")
    assert drawn == draw_strikes(5, ("a", "b"), 12, "every other") != draw_strikes(6, ("a", "b"), 12, "every other")
    assert [strike.is_wiped for strike in drawn] == [False, True] * 6
    assert sum(strike.is_early for strike in drawn) == 2
    assert {strike.victim for strike in drawn} == {"a", "b"}
    assert not any(strike.is_wiped for strike in draw_strikes(random.randrange(99), ("a",), 6, "never"))
