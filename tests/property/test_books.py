"""The books balance: every record has one fate, and what sales was told reads as a story."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.engine import OPTIONS, TOPICS, EngineRecord, RestartedPartition, records_of
from tests.support.histories import arrivals, happenings, model_text, models
from worker.pipeline import Partition
from worker.scoring.model_file import parse_model

Json = dict[str, Any]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
OF_THE_PARTITION = ("dead_lettered", "forwarded", "replayed")
OF_A_MODEL = ("effective", "duplicate", "without_effect")
BAD_VALUES = (None, b"", b"{", b"[]", b"{}", b'{"id": 1}', b"[" * 40 + b"]" * 40, b'{"id": "\\ud800"}')


@st.composite
def deliveries(draw: st.DrawFn) -> list[EngineRecord]:
    """Records of contacts of any partition, some of them no events, some without a key, some delivered again."""
    records = records_of(draw(happenings(contacts=6).flatmap(arrivals)))
    values: list[tuple[bytes | None, bytes | None]] = []
    for record in records:
        values.append((None if draw(st.integers(0, 5)) == 0 else record.key, record.value))
        if draw(st.integers(0, 3)) == 0:
            values.append(
                (draw(st.sampled_from([record.key, None, b"somebody else"])), draw(st.sampled_from(BAD_VALUES)))
            )
        if draw(st.integers(0, 7)) == 0:
            values.append((b"somebody else", record.value))
    return [EngineRecord(offset, 0, key, value) for offset, (key, value) in enumerate(values)]


@settings(suppress_health_check=SLOW)
@given(st.lists(models(), min_size=1, max_size=2), deliveries(), st.integers(0, 30))
def test_every_record_has_one_fate_for_each_model(told: list[Json], records: list[EngineRecord], again: int) -> None:
    """If this fails, events vanish, or count twice, and no figure says so."""
    parsed = [parse_model(model_text(one | {"model": f"m{number}"})) for number, one in enumerate(told)]
    stored: dict[bytes, bytes] = {}
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for batch in (records, records[again:]):  # the second time as after the loss of the partition row
        partition = Partition(topics=TOPICS, partition=0, partitions=2, models=parsed, options=OPTIONS, row=None)
        partition.fold(batch, lambda keys: [stored.get(key) for key in keys])
        closed = partition.drain()
        if closed is None:
            continue
        stored.update(closed.puts)
        for count, number in closed.counts.items():
            totals[count] += number
        assert sum(output.topic == TOPICS.dlq for output in closed.outputs) == _sum(closed.counts, "dead_lettered")
        assert sum(output.topic == TOPICS.source for output in closed.outputs) == _sum(closed.counts, "forwarded")
    assert _sum(totals, "received") == len(records) + len(records[again:])
    shared = sum(_sum(totals, what) for what in OF_THE_PARTITION)
    for model in parsed:
        own = sum(totals[what, model.name] for what in OF_A_MODEL)
        assert _sum(totals, "received") == own + shared


def _sum(counts: Any, what: str) -> int:
    return sum(number for (counted, _), number in counts.items() if counted == what)


@settings(suppress_health_check=SLOW)
@given(models(), happenings(max_size=40).flatmap(arrivals))
def test_readiness_and_cooling_alternate_and_sequences_rise_by_one(told: Json, events: list[Json]) -> None:
    """If this fails, sales calls a lead twice, or drops one it was never told of."""
    partition = RestartedPartition(parse_model(model_text(told)))
    partition.run([[record] for record in records_of(events)], restart=False)
    stories: dict[bytes | None, list[Json]] = defaultdict(list)
    for output in partition.outputs:
        if output.topic == TOPICS.qualifications and output.value is not None:
            stories[output.key].append(orjson.loads(output.value))
    for story in stories.values():
        expected = [(("lead.sales_ready", "lead.cooled")[place % 2], place // 2 + 1) for place in range(len(story))]
        assert [(one["kind"], one["sequence"]) for one in story] == expected
        assert len({one["id"] for one in story}) == len(story)
        assert [one["at"] for one in story] == sorted(one["at"] for one in story)
        json.dumps(story)
