"""Small parts of the stream: batches, deliveries, topics, security, lag, watchdog, the last log line."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from tests.support.stream_fakes import Desk, progress, records
from worker.clock import monotonic, now_ms
from worker.errors import ConfigError, RestartRequired, StateError
from worker.kafka import topic_plan
from worker.kafka.security import client_options
from worker.kafka.txn_offsets import Member
from worker.pipeline import PARTITION_KEY, Output, Round
from worker.settings import load_settings
from worker.stream import faust_private
from worker.stream.batches import Row, changelog_of, outputs_of, send
from worker.stream.delivery_at_least_once import AtLeastOnce
from worker.stream.fatal import describe, die, exit_code_of
from worker.stream.lag import Lag, lag_of
from worker.stream.watchdog import Watchdog

SETTINGS = load_settings({"LEADSCORE_BROKERS": "one:9092,two:9092", "LEADSCORE_GUARANTEE": "at_least_once"})
CHANGELOG = TopicPartition(SETTINGS.changelog_topic, 3)


class _Batch:
    def __init__(self, room: int) -> None:
        self.rows: list[tuple[Any, Any, Any]] = []
        self._room = room

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Any) -> object | None:
        if len(self.rows) == self._room:
            return None
        self.rows.append((key, value, headers))
        return object()

    def record_count(self) -> int:
        return len(self.rows)


class _Producer:
    """Acknowledges each batch at the next offset of its partition, or where *offsets* says."""

    def __init__(self, *, room: int = 3, offsets: tuple[int, ...] = ()) -> None:
        self.sent: list[tuple[TopicPartition, list[tuple[Any, Any, Any]]]] = []
        self._room = room
        self._offsets = deque(offsets)
        self._ends: dict[TopicPartition, int] = {}

    def create_batch(self) -> _Batch:
        return _Batch(self._room)

    async def send_batch(self, batch: _Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        place = TopicPartition(topic, partition)
        self.sent.append((place, batch.rows))
        offset = self._offsets.popleft() if self._offsets else self._ends.get(place, 0)
        self._ends[place] = offset + len(batch.rows)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(SimpleNamespace(offset=offset))
        return future


def _round(next_offset: int = 5, *, outputs: tuple[Output, ...] = ()) -> Round:
    puts = {b"a": b"1", PARTITION_KEY: b"row"}
    return Round(next_offset, puts, [b"gone"], [], list(outputs))


def test_tombstones_come_after_values_and_the_partition_row_last_of_all() -> None:
    """If this fails, a crash in the middle leaves a contact gone and its gravestone unwritten: old events bring it back."""
    assert [row.key for row in changelog_of(_round())] == [b"a", b"gone", PARTITION_KEY]


def test_outputs_keep_their_order_within_each_partition() -> None:
    outputs = [
        Output("t", 0, b"a", b"1", ()),
        Output("t", 1, b"b", b"2", ()),
        Output("t", 0, b"a", b"3", (("h", b"x"),)),
    ]
    found = outputs_of(_round(outputs=tuple(outputs)))
    assert found == {
        TopicPartition("t", 0): [Row(b"a", b"1", []), Row(b"a", b"3", [("h", b"x")])],
        TopicPartition("t", 1): [Row(b"b", b"2", [])],
    }


def test_the_first_batch_of_each_partition_goes_out_before_any_second_one() -> None:
    one, two = TopicPartition("t", 0), TopicPartition("t", 1)
    producer = _Producer(room=2)
    rows = {one: [Row(b"%d" % n, b"") for n in range(5)], two: [Row(b"x", b"")]}
    acked = asyncio.run(send(producer, rows))
    assert [place for place, _ in producer.sent] == [one, two, one, one]
    assert (acked[one].first, acked[one].last, acked[one].is_contiguous) == (0, 4, True)


def test_a_batch_without_a_known_offset_is_refused() -> None:
    with pytest.raises(RestartRequired):
        asyncio.run(send(_Producer(offsets=(-1,)), {CHANGELOG: [Row(b"a", b"")]}))


def _at_least_once(producer: _Producer) -> AtLeastOnce:
    return AtLeastOnce(SETTINGS, lambda: producer)


async def _opened(producer: _Producer, *, end: int = 0) -> AtLeastOnce:
    delivery = _at_least_once(producer)
    await delivery.open([3], Member(1, "m", None))
    await delivery.settle_restore(3, end, [])
    return delivery


def test_outputs_are_acknowledged_before_the_changelog_is_written() -> None:
    async def scenario() -> None:
        producer = _Producer()
        delivery = await _opened(producer)
        assert await delivery.deliver(3, _round(outputs=(Output("q", 3, b"a", b"t", ()),))) == 2
        assert [place for place, _ in producer.sent] == [TopicPartition("q", 3), CHANGELOG]

    asyncio.run(scenario())


@pytest.mark.parametrize(("offsets", "room"), [((1,), 3), ((0, 4), 2)])
def test_a_foreign_row_in_the_changelog_is_noticed(offsets: tuple[int, ...], room: int) -> None:
    async def scenario() -> None:
        delivery = await _opened(_Producer(offsets=offsets, room=room))
        with pytest.raises(RestartRequired, match="somebody else wrote"):
            await delivery.deliver(3, _round())

    asyncio.run(scenario())


def test_offsets_are_committed_only_once_a_round_is_stored() -> None:
    async def scenario() -> None:
        delivery = await _opened(_Producer())
        await delivery.deliver(3, _round(next_offset=7))
        assert delivery.committable() == {}
        delivery.done(3, 7)
        assert delivery.committable() == {3: 7}
        await delivery.open([3], Member(2, "m", None))
        assert delivery.committable() == {}

    asyncio.run(scenario())


def test_lost_rows_are_put_again_before_anything_else() -> None:
    async def scenario() -> None:
        producer = _Producer(offsets=(9,))
        delivery = _at_least_once(producer)
        await delivery.open([3], Member(1, "m", None))
        assert await delivery.settle_restore(3, 9, [Row(b"a", b"good")]) == 9
        assert await delivery.deliver(3, _round()) == 12

    asyncio.run(scenario())


def test_a_poll_is_cut_short_by_a_rebalance_and_takes_no_records_for_nobody() -> None:
    """A poll that outlives a rebalance would take what was just seeked to, and drop it."""

    async def scenario() -> None:
        taken: list[str] = []

        class Thread(faust_private.BatchThread):
            def __init__(self) -> None:
                """Be no service: only polling is looked at."""
                self.may_take = asyncio.Event()
                self._is_paused = False

            def create_consumer(self, assignors: list[Any]) -> Any: ...

            def _ensure_consumer(self) -> Any:
                return SimpleNamespace(
                    pause=lambda *_: None,
                    assignment=set,
                    resume=lambda *_: None,
                    _subscription=SimpleNamespace(subscription=None),
                )

            async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
                await self.may_take.wait()
                taken.append("records")
                return {}

        thread = Thread()
        polling = asyncio.create_task(thread._poll(set(), 1.0))
        await asyncio.sleep(0)
        await thread._pause(set())
        thread.may_take.set()
        assert await polling == faust_private.NOTHING
        assert await thread._poll(set(), 1.0) == faust_private.NOTHING, "nothing is read until it is resumed"
        assert taken == []
        await thread._resume(set())
        await thread._poll(set(), 1.0)
        assert taken == ["records"]

    asyncio.run(scenario())


def test_topics_are_planned_as_many_as_have_names() -> None:
    assert [spec.role for spec in topic_plan.plan(SETTINGS)] == [
        "input",
        "qualifications",
        "scores",
        "dead letters",
        "changelog",
    ]
    without = load_settings({"LEADSCORE_BROKERS": "one:9092", "LEADSCORE_SCORES_TOPIC": ""})
    assert "scores" not in [spec.role for spec in topic_plan.plan(without)]


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_writes_go_on_with_one_replica_away(replication: int, in_sync: str) -> None:
    settings = load_settings({"LEADSCORE_BROKERS": "one:9092", "LEADSCORE_REPLICATION": str(replication)})
    assert {spec.created_with()["min.insync.replicas"] for spec in topic_plan.plan(settings)} == {in_sync}


def test_topics_that_are_right_or_whose_configuration_is_hidden_pass() -> None:
    specs = topic_plan.plan(SETTINGS)
    right = {spec.name: topic_plan.Existing(6, spec.created_with()) for spec in specs}
    assert topic_plan.judge(specs, right) == []
    assert topic_plan.judge(specs, {name: topic_plan.Existing(6, {}) for name in right}) == []


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL"])
def test_every_client_gets_the_security_that_was_set(protocol: str) -> None:
    sasl = {"LEADSCORE_SASL_MECHANISM": "SCRAM-SHA-512", "LEADSCORE_SASL_USERNAME": "u", "LEADSCORE_SASL_PASSWORD": "p"}
    environ = {"LEADSCORE_BROKERS": "one:9092,two:9092", "LEADSCORE_SECURITY_PROTOCOL": protocol}
    options = client_options(load_settings(environ | (sasl if protocol.startswith("SASL") else {})))
    assert options["bootstrap_servers"] == ["one:9092", "two:9092"]
    assert options["security_protocol"] == protocol
    assert ("ssl_context" in options) == protocol.endswith("SSL")
    if protocol.startswith("SASL"):
        assert (options["sasl_mechanism"], options["sasl_plain_username"], options["sasl_plain_password"]) == (
            "SCRAM-SHA-512",
            "u",
            "p",
        )
    else:
        assert "sasl_plain_password" not in options


def test_a_certificate_that_is_no_pem_is_refused_without_quoting_it(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("canary")
    settings = load_settings(
        {"LEADSCORE_BROKERS": "one:9092", "LEADSCORE_SECURITY_PROTOCOL": "SSL", "LEADSCORE_SSL_CA_LOCATION": str(file)}
    )
    with pytest.raises(ConfigError) as refused:
        client_options(settings)
    assert "canary" not in str(refused.value)


def test_lag_is_zero_when_everything_is_committed_and_aged_by_the_oldest_record_that_is_not() -> None:
    async def scenario() -> None:
        desk = Desk(events=100)
        assert lag_of(desk.one, 0) is None
        desk.one.take([], 0, progress(0))
        assert lag_of(desk.one, 10_000) == Lag(0, 0.0)
        desk.one.take(records(3), 0, progress(3, highwater=8))
        assert lag_of(desk.one, 11_000) == Lag(8, 10.0)
        desk.fold_all()
        assert lag_of(desk.one, 11_000) == Lag(8, 10.0), "folded is not committed"
        desk.delivery.finish()
        await desk.one.settle()
        assert lag_of(desk.one, 11_002) == Lag(5, 10.0), "the last one folded stands for the next"

    asyncio.run(scenario())


def _watchdog(desk: Desk, timers_idle_s: float = 0.0) -> Watchdog:
    timers = SimpleNamespace(moved_at=monotonic() - timers_idle_s)
    return Watchdog(SimpleNamespace(owned={0: desk.one}), lambda: None, timers)  # type: ignore[arg-type]


def test_the_watchdog_ends_a_worker_whose_timers_stand_still() -> None:
    """Leads would stay hot for ever, and nothing else would show it."""

    async def scenario() -> None:
        desk = Desk()
        desk.one.take([], 0, progress(0, polled_ms=now_ms()))
        _watchdog(desk, timers_idle_s=50).look()
        with pytest.raises(RestartRequired, match="timers"):
            _watchdog(desk, timers_idle_s=61).look()

    asyncio.run(scenario())


def test_the_watchdog_is_content_with_a_partition_that_has_nothing_to_read() -> None:
    async def scenario() -> None:
        desk = Desk()
        desk.one.take([], 0, progress(0, polled_ms=now_ms()))
        desk.one.moved_at -= 3600
        _watchdog(desk).look()

    asyncio.run(scenario())


def test_the_watchdog_ends_a_worker_that_reads_nothing_though_records_wait() -> None:
    async def scenario() -> None:
        desk = Desk()
        desk.one.take([], 0, progress(0, highwater=5, polled_ms=now_ms()))
        _watchdog(desk).look()
        desk.one.moved_at -= 3600
        with pytest.raises(RestartRequired, match="none was read"):
            _watchdog(desk).look()
        desk.one.take([], 0, progress(0, highwater=5, polled_ms=now_ms() - 60_000))
        _watchdog(desk).look()  # the broker is away: that is not ours to mend

    asyncio.run(scenario())


def test_the_watchdog_ends_a_worker_whose_round_never_becomes_durable() -> None:
    async def scenario() -> None:
        desk = Desk(events=3)
        desk.poll(3)
        desk.fold_all()
        desk.one.under_way_since -= 3600
        with pytest.raises(RestartRequired, match="not become durable"):
            _watchdog(desk).look()
        desk.delivery.finish()
        await desk.one.settle()

    asyncio.run(scenario())


def test_the_last_line_names_the_reason_and_hides_texts_that_may_quote_an_event(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[int] = []
    monkeypatch.setattr("worker.stream.fatal.os._exit", codes.append)
    caplog.set_level(logging.CRITICAL)
    try:
        dict[str, str]()["canary@example.com"]
    except KeyError as error:
        die(error)
    die(StateError(where="t[1]", problem="written by another model", fix="load that one"))
    assert codes == [70, 78]
    assert len(caplog.records) == 2
    fields = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert "canary" not in str(fields)
    assert fields[0]["reason"].startswith("KeyError in test_the_last_line")
    assert "t[1]: written by another model" in fields[1]["reason"]


def test_exit_codes_follow_the_error() -> None:
    assert exit_code_of(ValueError("x")) == 70
    assert exit_code_of(ConfigError(where="a", problem="b", fix="c")) == 78
    assert describe(RestartRequired(what="a", problem="b")).startswith("RestartRequired: a: b")
    assert describe(ConfigError(where="a", problem="b", fix="c")) == "ConfigError: a: b; fix: c"
