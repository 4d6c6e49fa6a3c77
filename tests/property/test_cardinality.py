"""The number of series is bounded by partitions, models and closed lists, whatever producers send."""

from __future__ import annotations

import json
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from tests.support.small import START, SmallRecord, nothing_stored, rule, small_model, small_partition
from worker.metrics import Metrics
from worker.pipeline import CacheBudget

CANARY = "canary"
TYPES = 100_000


def hostile_records() -> Iterator[SmallRecord]:
    """Yield events of ever new types, sources and property names, and as many kinds of refused ones as can be told apart."""
    for number in range(TYPES):
        value = {
            "id": f"i{number}",
            "contact_id": f"{CANARY}-{number % 50}",
            "type": f'{CANARY}-type-{number}"}}\n# HELP x',
            "occurred_at": START,
            "source": f"{CANARY}-source-{number}",
            f"{CANARY}-field-{number}": 1,
            "properties": {f"{CANARY}-{number}": number},
        }
        if number % 10 == 0:
            value["occurred_at"] = f"{CANARY}-{number}"
        if number % 10 == 1:
            value[f"id{number}"] = value.pop("id")
        yield SmallRecord(number, json.dumps(value).encode(), str(value["contact_id"]).encode())


def series(metrics: Metrics) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(one.name, frozenset(one.labels.items())) for family in families for one in family.samples}


def test_a_hundred_thousand_event_types_make_no_series() -> None:
    """If this fails, one producer with random types fills the memory of the worker and of whoever scrapes it."""
    metrics = Metrics()
    partition = small_partition(small_model(rule("act", 10)), budget=CacheBudget(200_000))
    seen: list[set[tuple[str, frozenset[tuple[str, str]]]]] = []
    batch: list[SmallRecord] = []
    for record in hostile_records():
        batch.append(record)
        if len(batch) == 5_000:
            partition.fold(batch, nothing_stored)
            closed = partition.drain()
            assert closed is not None
            partition.settled()
            metrics.apply_counts(closed.counts, "in", 0)
            seen.append(series(metrics))
            batch = []
    assert seen[0] == seen[-1], seen[-1] - seen[0]
    assert len(seen[-1]) < 400
    assert CANARY not in metrics.exposition().decode()
