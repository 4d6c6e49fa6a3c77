"""What the group says of a consumer, and whether the consumer is still one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import aiokafka
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from worker.clock import monotonic
from worker.kafka.named_heartbeat import FENCED_INSTANCE_ID, NamedHeartbeat
from worker.kafka.txn_offsets import Member

_CANCEL_AGAIN_S = 0.1


def member_of(consumer: aiokafka.AIOKafkaConsumer) -> Member:
    """Return who *consumer* is in its group right now."""
    coordinator = consumer._coordinator
    return Member(coordinator.generation, coordinator.member_id, coordinator._group_instance_id)


def tell_heartbeats(consumer: aiokafka.AIOKafkaConsumer, tell: Callable[[float], None]) -> None:
    """
    Call *tell* with the monotonic instant at which each heartbeat was sent that the group answered as to a member.

    It is called in the consumer's loop. Telling the same consumer's twice changes nothing.
    """
    coordinator = consumer._coordinator
    if coordinator is None or "_do_heartbeat" in vars(coordinator):
        return
    beat = coordinator._do_heartbeat

    async def told() -> bool:
        asked_at = monotonic()
        is_member: bool = await beat()
        if is_member:
            tell(asked_at)
        return is_member

    coordinator._do_heartbeat = told


async def has_lost_its_name(consumer: aiokafka.AIOKafkaConsumer, member: Member) -> bool:
    """
    Return whether another process has joined under the instance id of *member*; False when the group does not answer.

    Call it in the consumer's loop.
    """
    coordinator = consumer._coordinator
    if coordinator is None or not member.instance_id or not member.member_id:
        return False
    question = NamedHeartbeat(coordinator.group_id, member.generation, member.member_id, member.instance_id)
    try:
        answer = await coordinator._send_req(question)
    except (KafkaError, NotImplementedError):  # away, or a broker that does not know the question
        return False
    return bool(answer.error_code == FENCED_INSTANCE_ID)


async def end_coordination(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """
    Let *consumer* take part in no more rebalances, so that it can leave without waiting for anybody. Call it in its loop.

    It stays a member and may commit. Brokers answer the requests of a connection one after the other, so the connection on which
    a join waits is closed: leaving takes another one.
    """
    coordinator = consumer._coordinator
    task = getattr(coordinator, "_coordination_task", None)
    if task is None or task.done():
        return
    while not task.done():  # it swallows a cancellation while it ends its heartbeats before a join
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)
    if not coordinator._performed_join_prepare:
        return
    place = (coordinator.coordinator_id, ConnectionGroup.COORDINATION)
    if (connection := coordinator._client._conns.pop(place, None)) is not None:
        connection.close()
    if coordinator.generation <= 0 and coordinator.member_id and coordinator._group_instance_id is None:
        # aiokafka leaves for those alone who have been members before.
        with suppress(KafkaError):  # the end of the session will tell the group
            await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))


def coordination_error(consumer: aiokafka.AIOKafkaConsumer) -> BaseException | None:
    """Return what keeps *consumer* from being in its group, such as a missing permission; the next poll would raise it."""
    error: BaseException | None = getattr(consumer._coordinator, "_pending_exception", None)
    return error


def ended_parts(consumer: aiokafka.AIOKafkaConsumer) -> list[str]:
    """Return the names of background tasks of *consumer* that have ended though it runs: it will never read again."""
    tasks = {
        "group coordination": getattr(consumer._coordinator, "_coordination_task", None),
        "fetching": getattr(consumer._fetcher, "_fetch_task", None),
    }
    return [name for name, task in tasks.items() if task is not None and task.done()]
