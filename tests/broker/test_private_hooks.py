"""A contract for each private name of Faust and aiokafka that the stream leans on: an upgrade that breaks one fails here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiokafka
import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.producer.sender import Sender
from aiokafka.structs import OffsetAndMetadata

from tests.support.kafka import admin_of, create_topics, fresh, read_all, wait_until
from worker.clock import monotonic
from worker.errors import ConfigError
from worker.kafka import aiokafka_private
from worker.kafka.aiokafka_private import SharedClientProducer
from worker.kafka.txn_offsets import GroupFenced, Member
from worker.stream import faust_private
from worker.stream.batches import BATCH_BYTES, Row, send


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(limited())


@asynccontextmanager
async def _producer(brokers: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=brokers, max_batch_size=BATCH_BYTES, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _member(brokers: str, topic: str, group: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=brokers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=100,
        **options,
    )
    await consumer.start()
    try:
        await wait_until(lambda: bool(consumer.assignment()), within_s=20, what="assignment")
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def _shared(
    brokers: str, client: Any, member: Member, transactional_id: str
) -> AsyncIterator[SharedClientProducer]:
    producer = SharedClientProducer(
        client=client,
        member=member,
        bootstrap_servers=brokers,
        transactional_id=transactional_id,
        max_batch_size=BATCH_BYTES,
        retry_backoff_ms=20,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def test_the_expected_versions_are_installed() -> None:
    aiokafka_private.check_names()
    faust_private.check_names()


def test_another_version_is_refused_by_name_when_the_module_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka, "__version__", "0.15.0")
    with pytest.raises(RuntimeError, match=r"aiokafka 0\.14\.x is expected, found 0\.15\.0"):
        aiokafka_private.check_names()
    monkeypatch.setattr(faust, "__version__", "0.16.1")
    with pytest.raises(RuntimeError, match=r"faust-streaming 0\.15\.x is expected, found 0\.16\.1"):
        faust_private.check_names()


def test_a_private_name_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Sender, "_do_txn_offset_commit")
    with pytest.raises(RuntimeError, match=r"without Sender\._do_txn_offset_commit"):
        aiokafka_private.check_names()


def test_offsets_in_a_transaction_are_refused_when_the_group_has_moved_on(brokers: str) -> None:
    async def scenario() -> None:
        topic, group = fresh("hooks"), fresh("group")
        await create_topics(brokers, {topic: 1})
        place = TopicPartition(topic, 0)
        async with _member(brokers, topic, group) as consumer, _producer(brokers) as owner:
            now = aiokafka_private.member_of(consumer)
            assert now.generation > 0
            async with _shared(brokers, owner.client, now, fresh("tx")) as good:
                await good.begin_transaction()
                await send(good, {place: [Row(b"k", b"good")]})
                await good.send_offsets_to_transaction({place: OffsetAndMetadata(7, "")}, group)
                await good.commit_transaction()

            async def committed() -> bool:  # the marker of the offsets follows the commit by some moments
                return bool(await consumer.committed(place) == 7)

            await wait_until(committed, within_s=10)
            stale = (
                Member(now.generation - 1, now.member_id, None),
                Member(now.generation, "nobody", None),
            )
            for member in stale:
                async with _shared(brokers, owner.client, member, fresh("tx")) as bad:
                    await bad.begin_transaction()
                    await send(bad, {place: [Row(b"k", b"bad")]})
                    with pytest.raises(GroupFenced):
                        await bad.send_offsets_to_transaction({place: OffsetAndMetadata(9, "")}, group)
                    await bad.abort_transaction()
                    await bad.begin_transaction()
                    await send(bad, {place: [Row(b"k", b"after")]})
                    await bad.commit_transaction()
            assert await consumer.committed(place) == 7
        values = [row.value for row in (await read_all(brokers, topic))[0]]
        assert values == [b"good", b"after", b"after"], "what was aborted stays aborted"

    _run(scenario)


def test_opening_a_transactional_id_again_fences_its_former_owner_at_once(brokers: str) -> None:
    async def scenario() -> None:
        topic, name = fresh("hooks"), fresh("tx")
        await create_topics(brokers, {topic: 1})
        place, member = TopicPartition(topic, 0), Member(-1, "", None)
        async with _producer(brokers) as owner:
            former = SharedClientProducer(
                client=owner.client,
                member=member,
                bootstrap_servers=brokers,
                transactional_id=name,
                transaction_timeout_ms=60_000,
            )
            await former.start()
            await former.begin_transaction()
            await send(former, {place: [Row(b"k", b"former")]})
            async with _shared(brokers, owner.client, member, name) as heir:
                await heir.begin_transaction()
                await send(heir, {place: [Row(b"k", b"heir")]})
                await heir.commit_transaction()
                with pytest.raises((ProducerFenced, KafkaError)):
                    await former.commit_transaction()
            await asyncio.gather(former.stop(), return_exceptions=True)
        assert [row.value for row in (await read_all(brokers, topic))[0]] == [b"heir"]

    _run(scenario)


def test_batches_keep_order_headers_and_contiguous_offsets_and_carry_a_record_larger_than_a_batch(brokers: str) -> None:
    async def scenario() -> None:
        topic = fresh("hooks")
        await create_topics(brokers, {topic: 2}, config={"max.message.bytes": str(2 << 20)})
        large = Row(b"large", b"x" * (BATCH_BYTES + 100_000), [("h", b"1")])
        rows = [Row(b"%d" % n, b"y" * 1000, [("n", b"%d" % n)]) for n in range(1200)]
        rows.insert(700, large)
        place, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
        async with _producer(brokers, enable_idempotence=True) as producer:
            first = await send(producer, {place: rows, other: [Row(b"a", None)]})
            second = await send(producer, {place: rows[:3]})
        assert (first[place].first, first[place].last, first[place].is_contiguous) == (0, 1200, True)
        assert second[place].first == 1201
        read = (await read_all(brokers, topic))[0]
        assert [(row.key, row.value, list(row.headers)) for row in read] == [tuple(row) for row in (*rows, *rows[:3])]

    _run(scenario)


def test_the_high_watermark_includes_an_open_transaction_and_positions_pass_control_records(brokers: str) -> None:
    async def scenario() -> None:
        topic = fresh("hooks")
        await create_topics(brokers, {topic: 1})
        place = TopicPartition(topic, 0)
        async with _producer(brokers, transactional_id=fresh("tx")) as producer:
            await producer.begin_transaction()
            await send(producer, {place: [Row(b"k", b"1")]})
            await producer.commit_transaction()
            await producer.begin_transaction()
            await send(producer, {place: [Row(b"k", b"2")]})
            consumer = AIOKafkaConsumer(
                bootstrap_servers=brokers,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                fetch_max_wait_ms=50,
            )
            await consumer.start()
            try:
                assert await aiokafka_private.partition_count(consumer, topic) == 1
                consumer.assign([place])
                assert await consumer.position(place) == 0
                assert await aiokafka_private.high_watermarks(consumer, [place]) == {place: 3}  # record, marker, record
                assert await consumer.end_offsets([place]) == {place: 2}
                rows = await consumer.getmany(timeout_ms=2000)
                assert [row.value for row in rows[place]] == [b"1"]
                progress = aiokafka_private.progress_of(consumer, [place])[place]
                assert (progress.position, progress.stable, progress.highwater) == (2, 2, 3)
                await producer.abort_transaction()

                async def passed() -> bool:
                    await consumer.getmany(timeout_ms=100)
                    return aiokafka_private.positions_of(consumer, [place])[place] == 4

                await wait_until(passed, within_s=10, what="position past the aborted record and both markers")
            finally:
                await consumer.stop()

    _run(scenario)


def test_the_end_of_a_clients_background_tasks_is_seen(brokers: str) -> None:
    async def scenario() -> None:
        topic = fresh("hooks")
        await create_topics(brokers, {topic: 1})
        async with _member(brokers, topic, fresh("group")) as consumer:
            assert aiokafka_private.ended_parts(consumer) == []
            consumer._fetcher._fetch_task.cancel()
            await wait_until(lambda: aiokafka_private.ended_parts(consumer) == ["fetching"], within_s=5)
        assert "group coordination" in aiokafka_private.ended_parts(consumer)

    _run(scenario)


def test_each_heartbeat_that_the_group_answers_is_told_with_the_instant_of_its_question(brokers: str) -> None:
    """If this fails, a worker that stood still does not know it, and writes over what its heir has written."""

    async def scenario() -> None:
        topic = fresh("hooks")
        await create_topics(brokers, {topic: 1})
        told: list[float] = []
        began = monotonic()
        async with _member(brokers, topic, fresh("group"), heartbeat_interval_ms=100) as consumer:
            aiokafka_private.tell_heartbeats(consumer, told.append)
            aiokafka_private.tell_heartbeats(consumer, told.append)
            await wait_until(lambda: len(told) >= 3, within_s=10, what="heartbeats")
            assert told == sorted(told)
            assert len(set(told)) == len(told), "none is told twice"
            assert began < told[0] < monotonic()
            consumer._coordinator.member_id = "nobody"
            await wait_until(lambda: consumer._coordinator.member_id != "nobody", within_s=10, what="refusal")

    _run(scenario)


def test_a_member_whose_name_another_one_has_taken_is_told_apart_from_one_that_is_only_unknown(brokers: str) -> None:
    async def scenario() -> None:
        topic, group = fresh("hooks"), fresh("group")
        await create_topics(brokers, {topic: 1})
        async with _member(brokers, topic, group, group_instance_id="pod-1", heartbeat_interval_ms=600_000) as older:
            member = aiokafka_private.member_of(older)
            assert not await aiokafka_private.has_lost_its_name(older, member)
            assert not await aiokafka_private.has_lost_its_name(older, member._replace(instance_id=None))
            stranger = Member(member.generation, "pod-2-0", "pod-2")
            assert not await aiokafka_private.has_lost_its_name(older, stranger), "expelled is not replaced"
            async with _member(brokers, topic, group, group_instance_id="pod-1"):
                assert await aiokafka_private.has_lost_its_name(older, member)

    _run(scenario)


async def _members(brokers: str, group: str) -> list[Any]:
    async with admin_of(brokers) as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    members: list[Any] = answer.groups[0][5]
    return members


def test_a_consumer_whose_join_waits_for_another_can_leave_at_once(brokers: str) -> None:
    """If this fails, a worker that is stopped while others join takes all of its time for it, and is killed."""

    async def scenario() -> None:
        topic, group = fresh("hooks"), fresh("group")
        await create_topics(brokers, {topic: 1})
        async with _member(brokers, topic, group, session_timeout_ms=60_000) as at_work:
            await aiokafka_private.end_coordination(at_work)  # it stays a member, and answers no rebalance
            assert at_work.assignment()
            waiting = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=group)
            await waiting.start()
            waiting.subscribe([topic])
            await wait_until(lambda: bool(waiting._coordinator.member_id), within_s=20, what="a join under way")
            await aiokafka_private.end_coordination(waiting)
            async with asyncio.timeout(10):
                await waiting.stop()
            assert len(await _members(brokers, group)) == 1, "it has left, though it never was a member"

    _run(scenario)


def test_a_topic_that_does_not_exist_is_named_within_seconds(brokers: str) -> None:
    """aiokafka itself asks for 40 s, and then says only that something is unknown."""

    async def scenario() -> None:
        topic = fresh("missing")
        consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
        await consumer.start()
        try:
            with pytest.raises(ConfigError, match=f"{topic}: there is no such topic"):
                await asyncio.wait_for(aiokafka_private.partition_count(consumer, topic, within_s=0.5), 15)
            await create_topics(brokers, {topic: 3})
            assert await aiokafka_private.partition_count(consumer, topic) == 3
        finally:
            await consumer.stop()

    _run(scenario)


def test_fausts_recovery_task_is_ours_alone_and_has_no_time_limit() -> None:
    """Faust waits 90 s for a restore, and then lives on without a recovery task."""

    async def scenario() -> None:
        tasks = [name for names in (faust_private.RestoringRecovery._tasks or {}).values() for name in names]
        assert "_restart_recovery" in tasks
        waited: list[Any] = []

        class Recovery(faust_private.RestoringRecovery):
            def __init__(self) -> None:
                """Be no service: only `_wait` is looked at."""

            signal_recovery_start = asyncio.Event()

            async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109
                waited.append(timeout)
                for coro in coros[:1]:
                    await coro

                class Waited:
                    stopped = False
                    done: tuple[Any, ...] = ()

                return Waited()

        await Recovery()._wait(asyncio.sleep(0), timeout=1.0)
        assert waited == [None]

    asyncio.run(scenario())
