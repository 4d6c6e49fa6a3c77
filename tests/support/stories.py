"""Small stories for a worker on a real broker: a few contacts, days counted from one start, every number in sight."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiokafka.structs import ConsumerRecord

from tests.support.cluster import Cluster
from tests.support.feeding import send_now
from tests.support.history_run import end_marks, sent_records
from tests.support.kafka import read_all
from tests.support.small import DAY, START, event_value
from worker.contracts.instants import format_instant
from worker.operations.dump import dump_scores

Told = dict[str, Any]
"""A transition as its consumers read it."""


def day(number: float) -> int:
    """Return the instant that lies *number* days after the start, in ms."""
    return START + round(number * DAY)


def shown_day(number: float) -> str:
    """Return `day` as transitions have it."""
    return format_instant(day(number))


def happened(contact: str, event_type: str, number: float, event_id: str = "", **properties: Any) -> bytes:
    """Return what *contact* did *number* days after the start; its id says type and time when none is given."""
    return event_value(event_type, day(number), event_id, contact=contact, **properties)


async def tell(cluster: Cluster, *events: bytes, until: float | None = None) -> None:
    """Send *events* in their order, and then, that so many days are over, *until*, for every partition; wait until all is done."""
    marks = [] if until is None else end_marks(day(until))
    await send_now(cluster.brokers, cluster.source, [*sent_records(events), *marks])
    await cluster.settled()


async def told_by(cluster: Cluster) -> list[Told]:
    """Return what sales was told, by contact, of each in the order of telling."""
    records = [one for each in (await read_all(cluster.brokers, cluster.qualifications)).values() for one in each]
    told = [orjson.loads(record.value) for record in records]
    return sorted(told, key=lambda one: one["contact_id"])


def brief(told: Sequence[Told], *fields: str) -> list[tuple[Any, ...]]:
    """Return contact, kind, sequence and *fields* of each transition."""
    return [tuple(one.get(name) for name in ("contact_id", "kind", "sequence", *fields)) for one in told]


async def scores_of(cluster: Cluster, number: float, directory: Path) -> dict[str, float]:
    """Return the score of each contact, not rounded, *number* days after the start, as `leadscore contact dump` writes it."""
    await dump_scores(cluster.settings, directory, day(number))
    rows = csv.DictReader(io.StringIO((directory / "scores.csv").read_text("utf-8")))
    return {row["contact_id"]: float(row["score"]) for row in rows}


class Kept(NamedTuple):
    """The newest row of a key: what compaction leaves of it."""

    partition: int
    key: bytes
    value: bytes


async def compacted(brokers: str, topic: str) -> list[Kept]:
    """Return what is left of *topic* once it is compacted, and tombstones have gone."""
    newest: dict[tuple[int, bytes], ConsumerRecord[bytes, bytes]] = {}
    for number, records in (await read_all(brokers, topic)).items():
        newest |= {(number, record.key): record for record in records if record.key is not None}
    return [Kept(number, key, record.value) for (number, key), record in newest.items() if record.value is not None]


def scores_by_contact(rows: Sequence[Kept], model: str) -> Mapping[str, float]:
    """Return the shown score of each contact in the compacted topic of scores."""
    return {row.key.decode(): orjson.loads(row.value)["models"][model]["score"] for row in rows}
