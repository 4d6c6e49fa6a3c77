"""Records that are no event, or lie in the wrong place, amid good ones: each meets its own fate, and nothing else notices."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import orjson
import pytest
from aiokafka.structs import ConsumerRecord
from prometheus_client.parser import text_string_to_metric_families

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.comparing import as_file, differing_rows, listed, replayed
from tests.support.feeding import send_now
from tests.support.history_run import end_marks, sent_records
from tests.support.invalid_examples import load_invalid_examples
from tests.support.kafka import Place, Sent, read_all
from tests.support.simulated import MODEL, simulated_lines
from tests.support.stories import brief, compacted, day, happened, shown_day, tell, told_by
from worker.contracts.event import RESERVED_TYPES
from worker.contracts.partitioner import partition_of

Record: TypeAlias = ConsumerRecord[bytes, bytes]
GOOD_TO_BAD = 99
CODES = {
    f"event.{name}"
    for name in (
        "null_value", "too_large", "too_deep", "not_json", "not_object", "missing_field", "bad_field", "bad_time", "key_mismatch"
    )
}  # fmt: skip
RECEIVED_HEADERS = (("producer", b"legacy"), ("producer", b"mail gateway"), ("\u00e4", b"\x00\xff"), ("empty", b""))
GUARANTEES = pytest.mark.parametrize(
    "guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.faults)]
)
BOOKS = ("effective", "duplicate", "without_effect")


def by_place(topic: Mapping[int, Sequence[Record]]) -> dict[Place, Record]:
    """Return the dead letters by where they lay in the source; none may be there twice."""
    found: dict[Place, Record] = {}
    for partition, records in topic.items():
        for record in records:
            headers = dict(record.headers)
            place = Place(int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
            assert place.partition == partition
            assert place not in found, f"{place} was dead-lettered twice"
            found[place] = record
    return found


async def totals(cluster: Cluster, name: str, metric: str, label: str) -> Counter[str]:
    """Return what the worker's metrics page says of *metric*, added up by *label*."""
    text = (await cluster.page(cluster.workers[name], "/metrics")).decode()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == metric:
                found[sample.labels.get(label, "")] += int(sample.value)
    return found


async def assert_books_balance(cluster: Cluster, name: str) -> None:
    """Every record that was received met exactly one fate."""
    received = (await totals(cluster, name, "leadscore_events_received_total", "")).total()
    folded = await totals(cluster, name, "leadscore_events_folded_total", "reason")
    fates = folded.total()
    for metric in ("dead_letters", "events_forwarded", "events_replayed"):
        fates += (await totals(cluster, name, f"leadscore_{metric}_total", "")).total()
    assert set(folded) <= set(BOOKS)
    assert received == fates == sum((await cluster.committed()).values())


async def _bad_records(brokers: str, directory: Path, guarantee: str) -> None:
    chance = random.Random(4)
    examples = load_invalid_examples()
    assert {example.code for example in examples} == CODES
    good = simulated_lines(GOOD_TO_BAD * len(examples), days=90, contacts=900, seed=5)
    async with running_cluster(brokers, directory, model=MODEL, guarantee=guarantee) as cluster:
        expected = await replayed(good, MODEL, directory / "replay")
        records: list[tuple[Sent, int]] = [(record, -1) for record in sent_records(good)]
        for number, example in enumerate(examples):
            headers = (*RECEIVED_HEADERS, ("example", example.name.encode()))
            sent = Sent(chance.randrange(PARTITIONS), example.key, example.value, headers)
            records.insert(chance.randrange(len(records) + 1), (sent, number))
        records += [(mark, -1) for mark in end_marks(expected.end_ms + expected.model.lateness_ms)]
        worker = cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        places = await send_now(brokers, cluster.source, [sent for sent, _ in records])
        await cluster.settled()

        source = await read_all(brokers, cluster.source)
        letters = by_place(await read_all(brokers, cluster.dead_letters))
        bad = {place: number for place, (_, number) in zip(places, records, strict=True) if number >= 0}
        assert letters.keys() == bad.keys()
        for place, number in bad.items():
            example, letter = examples[number], letters[place]
            received = next(record for record in source[place.partition] if record.offset == place.offset)
            assert (letter.key, letter.value) == (example.key, example.value), example.name
            count = len(received.headers)
            assert letter.headers[:count] == received.headers, example.name
            assert count == len(RECEIVED_HEADERS) + 1
            said = dict(letter.headers[count:])
            assert said["leadscore.error.code"] == example.code.encode(), example.name
            assert said["leadscore.error.path"] == example.path.encode(), example.name
            assert said["__connect.errors.topic"] == cluster.source.encode()
            assert said["leadscore.error.record_time"] == str(received.timestamp).encode()

        await cluster.command("contact", "dump", "--as-of", "END", "--out", str(directory / "dump"))
        scores = (directory / "dump" / "scores.csv").read_bytes()
        assert scores == expected.scores, listed(differing_rows(expected.scores, scores))
        told = await read_all(brokers, cluster.qualifications)
        assert as_file(told) == expected.transitions
        assert len(expected.transitions.splitlines()) > 20

        codes = await totals(cluster, "worker", "leadscore_dead_letters_total", "code")
        assert codes == Counter(example.code for example in examples)
        await assert_books_balance(cluster, "worker")
        assert worker.exit_code is None
        assert cluster.lives == [worker], "no restart"
        await cluster.stop()


@pytest.mark.timeout(180)
@GUARANTEES
def test_each_bad_record_is_dead_lettered_as_received_and_its_neighbours_are_exact(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    """If this fails, one broken producer loses other people's leads, or its own beyond repair."""
    asyncio.run(_bad_records(brokers, tmp_path, guarantee))


def _elsewhere(chance: random.Random, record: Sent) -> Sent:
    """Return *record* as a producer with another partitioner would send it; one in four has no key either."""
    partition = (record.partition + chance.randrange(1, PARTITIONS)) % PARTITIONS
    key = None if chance.random() < 0.25 else record.key
    return record._replace(partition=partition, key=key, headers=(("producer", b"other partitioner"),))


def _still_misplaced(number: int) -> Sent:
    contact = f"lost-{number}"
    home = partition_of(contact.encode(), PARTITIONS)
    value = f'{{"id":"lost-{number}","contact_id":"{contact}","type":"demo.requested","occurred_at":"2026-01-05T10:00:00Z"}}'
    mark = ("leadscore.forwarded", f"{home}:7:1767600000000".encode())
    return Sent((home + 1) % PARTITIONS, contact.encode(), value.encode(), (("producer", b"x"), mark))


async def _misplaced_records(brokers: str, directory: Path, guarantee: str) -> None:
    """All within two days, so that an event that takes the longer way is never late."""
    chance = random.Random(6)
    good = simulated_lines(4000, days=2, contacts=3000, seed=7)
    async with running_cluster(brokers, directory, model=MODEL, guarantee=guarantee) as cluster:
        expected = await replayed(good, MODEL, directory / "replay")
        records = sent_records(good)
        homes = {number: records[number] for number in chance.sample(range(len(records)), 400)}
        for number, record in homes.items():
            records[number] = _elsewhere(chance, record)
        lost = [_still_misplaced(number) for number in range(12)]
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        places = await send_now(brokers, cluster.source, [*records, *lost])
        await cluster.settled()
        await send_now(brokers, cluster.source, end_marks(expected.end_ms + expected.model.lateness_ms))
        await cluster.settled()

        source = await read_all(brokers, cluster.source)
        wanted: Counter[object] = Counter()
        for number, home in homes.items():
            place, sent = places[number], records[number]
            received = next(record for record in source[place.partition] if record.offset == place.offset)
            mark = ("leadscore.forwarded", f"{place.partition}:{place.offset}:{received.timestamp}".encode())
            wanted[home.partition, home.key, home.value, (*sent.headers, mark)] += 1
        sent_places = set(places)
        copies: Counter[object] = Counter(
            (partition, record.key, record.value, tuple(record.headers))
            for partition, rest in source.items()
            for record in rest
            if Place(partition, record.offset) not in sent_places
            and not record.value.startswith(b'{"id":"end-of-history')
        )
        assert copies == wanted, "each misplaced record is there once more, where it belongs"

        letters = by_place(await read_all(brokers, cluster.dead_letters))
        assert letters.keys() == set(places[len(records) :])
        for record, place in zip(lost, places[len(records) :], strict=True):
            letter = letters[place]
            assert (letter.key, letter.value) == (record.key, record.value)
            assert letter.headers[:2] == tuple(record.headers)
            assert dict(letter.headers)["leadscore.error.code"] == b"event.misplaced"

        await cluster.command("contact", "dump", "--as-of", "END", "--out", str(directory / "dump"))
        scores = (directory / "dump" / "scores.csv").read_bytes()
        assert _without_latch(scores) == _without_latch(expected.scores), listed(
            differing_rows(expected.scores, scores)
        )
        assert (await totals(cluster, "worker", "leadscore_events_forwarded_total", "")).total() == len(homes)
        await cluster.stop()


def _without_latch(scores: bytes) -> list[bytes]:
    """Drop what follows the order of arrival, which is another one for records that took the longer way."""
    return [line.rsplit(b",", 2)[0] for line in scores.splitlines()]


@pytest.mark.timeout(180)
@GUARANTEES
def test_a_misplaced_record_is_forwarded_and_counts_once(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """If this fails, one producer with another partitioner splits people into two halves, or counts them twice."""
    asyncio.run(_misplaced_records(brokers, tmp_path, guarantee))


RESERVED_MODEL = """\
model: reserved
version: 1
rules:
  - {rule: form, when: {type: form.submitted}, points: 60}
  - {rule: decides, when: {attributes.title: ceo}, points: 60}
qualify: {when: {score: {at_least: 100}}, require: [attributes.email]}
"""


async def _reserved(brokers: str, directory: Path) -> None:
    model = directory / "reserved.yaml"
    model.write_text(RESERVED_MODEL, "utf-8")
    async with running_cluster(brokers, directory, model=str(model)) as cluster:
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(
            cluster,
            happened("of good title", "form.submitted", 1),
            happened("of good title", "contact.updated", 2, title="CEO", email="a@example.com"),
            happened("met at a fair", "contact.updated", 1, email="b@example.com"),
            happened("met at a fair", "score.adjusted", 2, points=100, reason="met at a fair", expires_at=day(4)),
            happened("forgotten", "contact.updated", 1, title="CEO", email="c@example.com"),
            happened("forgotten", "form.submitted", 2),
            happened("forgotten", "contact.erased", 3),
            happened("held", "score.adjusted", 1, points=100, reason="met at a fair"),
            until=3 + 3,
        )
        assert brief(await told_by(cluster), "cause", "score", "at") == [
            ("forgotten", "lead.sales_ready", 1, "form.submitted", 120.0, shown_day(2)),
            ("forgotten", "lead.cooled", 1, "contact.erased", None, shown_day(3)),
            ("met at a fair", "lead.sales_ready", 1, "score.adjusted", 100.0, shown_day(2)),
            ("of good title", "lead.sales_ready", 1, "contact.updated", 120.0, shown_day(2)),
        ]
        await tell(cluster, until=5 + 3)
        last = brief(await told_by(cluster), "cause", "score", "at")[3]
        assert last == ("met at a fair", "lead.cooled", 1, "timer", 0.0, shown_day(4)), "points by hand had their day"
        scores = {row.key.decode(): orjson.loads(row.value) for row in await compacted(brokers, cluster.scores)}
        assert {name: row["models"]["reserved"]["status"] for name, row in scores.items()} == {
            "of good title": "ready",
            "met at a fair": "open",
            "held": "held",
        }
        assert not any((await read_all(brokers, cluster.dead_letters)).values())
        await cluster.stop()


@pytest.mark.timeout(180)
def test_events_of_reserved_types_have_their_effect(brokers: str, tmp_path: Path) -> None:
    """If this fails, an erasure or a correction is consumed, and nothing of what it says happens."""
    assert {"contact.updated", "contact.erased", "score.adjusted"} <= RESERVED_TYPES
    asyncio.run(_reserved(brokers, tmp_path))
