"""A topic, or a range of it, as the history of `leadscore replay`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from tests.support.kafka import Sent, create_topics, fresh, produce_all
from tests.support.small import DAY, HOUR, START, event_value, rule, small_model
from worker.cli.replay import replay
from worker.errors import ConfigError, DependencyError
from worker.operations.topic_lines import Instant, Offset, TopicRange, read_topic
from worker.replay import Line, Terms, replay_history, replay_lines
from worker.settings import Settings, load_settings

MODEL = small_model(
    rule("act", 60, decay={"half_life": "1d"}), qualify={"when": {"score": {"at_least": 100}}}, tiers={"cold": 0}
)


def settings_of(brokers: str) -> Settings:
    return load_settings({"LEADSCORE_BROKERS": brokers})


def topic_of(brokers: str, sent: Sequence[Sent], partitions: int = 3) -> str:
    """Return a fresh topic that holds *sent*."""

    async def fill() -> str:
        topic = fresh("history")
        await create_topics(brokers, {topic: partitions})
        await produce_all(brokers, topic, sent)
        return topic

    return asyncio.run(fill())


def sent(partition: int, contact: str, at_ms: int, event_id: str = "", record_ms: int | None = None) -> Sent:
    value = event_value("act", at_ms, event_id, contact=contact)
    return Sent(partition, contact.encode(), value, (), at_ms if record_ms is None else record_ms)


def lines_of(brokers: str, wanted: TopicRange) -> list[Line]:
    return [line for batch in read_topic(settings_of(brokers), wanted) for line in batch]


def places(lines: Sequence[Line]) -> list[tuple[int, int]]:
    return [(line.origin.partition, line.origin.offset) for line in lines if line.origin is not None]


def test_partitions_are_merged_by_kafka_time_and_lower_number_first(brokers: str) -> None:
    topic = topic_of(
        brokers,
        [
            *(sent(2, "c", START + hour) for hour in (1, 2, 9)),
            *(sent(0, "a", START + hour) for hour in (2, 3)),
            *(
                sent(1, "b", START + hour) for hour in (8, 4, 9)
            ),  # the second came before the first, and stays behind it
        ],
    )
    lines = lines_of(brokers, TopicRange(topic))
    assert places(lines) == [(2, 0), (0, 0), (2, 1), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2)]
    assert [line.offset for line in lines] == list(range(8))
    assert {line.timestamp for line in lines} == {START + hour for hour in (1, 2, 3, 4, 8, 9)}


def test_topic_replays_as_a_file_in_that_order_does(brokers: str) -> None:
    """Thousands of records over several fetches, one partition much fuller than the others, one empty."""
    events = [
        sent(
            0 if n % 5 else 1 + n % 2,
            f"{0 if n % 5 else 1 + n % 2} contact {n % 40}",
            START + n * HOUR // 20,
            f"id {n}",
        )
        for n in range(9_000)
    ]
    topic = topic_of(brokers, events, partitions=4)
    passed: list[int] = []
    totals: list[int] = []
    batches = read_topic(settings_of(brokers), TopicRange(topic), total=totals.append, progress=passed.append)
    (found,) = replay_history([[MODEL]], batches, Terms(max_skew_ms=300_000))
    expected = replay_lines([MODEL], [one.value or b"" for one in events])
    assert found.scores == expected.scores
    assert found.counts == expected.counts
    assert found.places == expected.places
    assert totals == [9_000]
    assert sum(passed) == 9_000
    told = json.loads(found.transitions["small"][0])["event"]
    first = expected.places["small"][0]
    assert told["topic"] == topic
    assert told["partition"] == events[first].partition
    assert told["offset"] == sum(one.partition == told["partition"] for one in events[:first])


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (Offset(2), None, [(0, 2), (0, 3)]),
        (None, Offset(1), [(0, 0), (1, 0)]),
        (Instant(START + 2 * DAY), None, [(0, 2), (0, 3)]),
        (None, Instant(START + 1), [(0, 0), (1, 0)]),
        (Instant(START + 1), Instant(START + 3 * DAY), [(0, 1), (0, 2)]),
        (Offset(1), Offset(1), []),
        (Offset(99), None, []),
        (None, Offset(99), [(0, 0), (1, 0), (0, 1), (0, 2), (0, 3)]),
        (Instant(START + 99 * DAY), None, []),
    ],
)
def test_range_begins_at_and_ends_before(
    brokers: str, start: Offset | Instant | None, stop: Offset | Instant | None, expected: list[tuple[int, int]]
) -> None:
    records = [sent(0, "a", START + day * DAY) for day in range(4)] + [sent(1, "b", START)]
    topic = topic_of(brokers, records)
    assert places(lines_of(brokers, TopicRange(topic, start, stop))) == expected


def test_only_what_was_committed_is_read(brokers: str) -> None:
    """An aborted transaction is passed over, one that is still open is the end."""

    async def scenario() -> list[Line]:
        topic = fresh("history")
        await create_topics(brokers, {topic: 1})
        producer = AIOKafkaProducer(bootstrap_servers=brokers, transactional_id=fresh("writer"))
        await producer.start()
        try:
            for name, is_kept in (("kept", True), ("aborted", False), ("kept too", True), ("aborted last", False)):
                await producer.begin_transaction()
                await producer.send_and_wait(topic, event_value("act", START, name), key=b"c", partition=0)
                await (producer.commit_transaction() if is_kept else producer.abort_transaction())
            read = await asyncio.to_thread(lines_of, brokers, TopicRange(topic))
            await producer.begin_transaction()
            await producer.send_and_wait(topic, event_value("act", START, "open"), key=b"c", partition=0)
            assert await asyncio.to_thread(lines_of, brokers, TopicRange(topic)) == read
            await producer.abort_transaction()
            return read
        finally:
            await producer.stop()

    lines = asyncio.run(scenario())
    assert [json.loads(line.value or b"")["id"] for line in lines] == ["kept", "kept too"]


def test_empty_topic_has_no_lines(brokers: str) -> None:
    assert lines_of(brokers, TopicRange(topic_of(brokers, []))) == []


def test_command_reads_a_range_and_clamps_as_the_worker_does(brokers: str, tmp_path: Path) -> None:
    """The last event claims to come from next year; its record says otherwise."""
    records = [sent(1, "a", START + day * DAY, f"{day}") for day in range(3)]
    records += [
        sent(1, "a", START + 400 * DAY, "ahead", record_ms=START + 2 * DAY),
        Sent(0, b"b", b"no event", (), START),
    ]
    topic = topic_of(brokers, records)
    (tmp_path / "small.yaml").write_text(
        json.dumps(
            {
                "model": "small",
                "version": 1,
                "rules": [{"rule": "act", "when": {"type": "act"}, "points": 60}],
                "qualify": {"when": {"score": {"at_least": 180}}},
            }
        )
    )
    app = typer.Typer()
    app.command()(replay)
    wanted = [f"topic:{topic}", "--brokers", brokers, "--model", str(tmp_path / "small.yaml")]
    told = json.loads(CliRunner().invoke(app, [*wanted, "--output", "json"]).stdout)
    assert told["as_of_ms"] == START + 2 * DAY
    assert told["counts"]["clamped"] == 1
    (transition,) = told["models"]["small"]["transitions"]
    assert transition["event"] == {"id": "2", "topic": topic, "partition": 1, "offset": 2}
    text = CliRunner().invoke(app, wanted, env={"NO_COLOR": "1"}).stdout
    assert f"1 line holds no event: event.not_json, first at offset 0 of {topic}[0]" in text
    until = CliRunner().invoke(app, [*wanted, "--to", "2026-01-03T00:00:00Z", "--output", "json"])
    assert json.loads(until.stdout)["counts"]["effective small"] == 2


def test_topic_that_does_not_exist_is_named(brokers: str) -> None:
    topic = topic_of(brokers, [])
    with pytest.raises(
        ConfigError,
        match=rf"{topic}s: there is no such topic, or this user may not see it\n  fix: did you mean {topic}\?",
    ):
        lines_of(brokers, TopicRange(f"{topic}s"))


def test_brokers_that_do_not_answer_are_a_dependency_error() -> None:
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9"):
        lines_of("127.0.0.1:9", TopicRange("history"))


def test_whoever_stops_early_leaves_nothing_behind(brokers: str) -> None:
    topic = topic_of(brokers, [sent(0, "a", START + n) for n in range(5_000)])
    batches = read_topic(settings_of(brokers), TopicRange(topic))
    assert len(next(batches)) == 4_096
    batches.close()
