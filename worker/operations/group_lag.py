"""How far the consumer group is behind, and who owns what, as the brokers tell it; no worker is asked, nothing is joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import for_code

from worker.clock import Deadline, now_ms
from worker.errors import DependencyError
from worker.kafka.clients import of_coordinator, places_of, started_admin, started_consumer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from worker.settings import Settings

_PATIENCE_S = 30.0
_FETCH_BYTES = 64 * 1024  # the first record is enough, and comes whatever its size


class Owner(NamedTuple):
    """The member of the group that a partition is assigned to."""

    member: str  # member id; begins with the instance id of a static member
    host: str


class PartitionLag(NamedTuple):
    """One partition of the input topic; offsets as in Kafka."""

    partition: int
    committed: int | None  # by the group; None: never
    start: int  # first offset that the log still holds
    stable: int  # last stable offset: committed transactions end here
    end: int  # high watermark
    waiting_ms: int | None  # record time of the first record that is not committed; None: there is none
    owner: Owner | None

    @property
    def records(self) -> int:
        """Offsets from the committed one, or from the start of the log, to its end; control records included."""
        return self.end - max(self.start, min(self.committed or 0, self.end))

    @property
    def problem(self) -> str:
        """What no waiting will put right, empty when there is nothing."""
        if self.committed is None:
            return ""
        if self.committed > self.end:
            return "the committed offset lies beyond the end of the log: the topic was made anew"
        if self.committed < self.start:
            return f"{self.start - self.committed:,} records were deleted before they were committed"
        return ""

    def seconds(self, at_ms: int) -> float:
        """Return the age of the first record that is not committed, 0.0 when there is none."""
        return 0.0 if self.waiting_ms is None else max(0.0, (at_ms - self.waiting_ms) / 1000)


class GroupLag(NamedTuple):
    """The group at one instant."""

    group: str
    state: str  # as Kafka calls it: Stable, PreparingRebalance, CompletingRebalance, Empty, Dead
    topic: str
    at_ms: int
    partitions: Sequence[PartitionLag]

    @property
    def problems(self) -> list[str]:
        """What no waiting will put right, by partition."""
        return [f"{self.topic}[{one.partition}]: {one.problem}" for one in self.partitions if one.problem]

    @property
    def records(self) -> int:
        """Lag of all partitions together."""
        return sum(one.records for one in self.partitions)

    @property
    def seconds(self) -> float:
        """Lag of the partition that is furthest behind."""
        return max((one.seconds(self.at_ms) for one in self.partitions), default=0.0)


async def read_lag(settings: Settings) -> GroupLag:
    """
    Return the lag of the group on the input topic.

    Raises:
        ConfigError: There is no such topic.
        DependencyError: The brokers do not answer, or refuse.
    """
    group = settings.app_id
    async with started_admin(settings) as admin:
        answers = await of_coordinator(lambda: admin.describe_consumer_groups([group]))
        state, owners = _described(answers, settings.input_topic)
        offsets = await of_coordinator(lambda: admin.list_consumer_group_offsets(group))
    async with started_consumer(settings, isolation_level="read_committed") as consumer:
        places = await places_of(consumer, settings.input_topic, "LEADSCORE_INPUT_TOPIC")
        stable = await consumer.end_offsets(places)
    # Uncommitted ones too: what hangs in an open transaction waits as well.
    async with started_consumer(
        settings, isolation_level="read_uncommitted", max_partition_fetch_bytes=_FETCH_BYTES
    ) as consumer:
        starts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        found = []
        for place in places:
            stored = offsets.get(place)
            committed = None if stored is None or stored.offset < 0 else stored.offset
            number = place.partition
            found.append(
                PartitionLag(number, committed, starts[place], stable[place], ends[place], None, owners.get(number))
            )
        behind = {place: one.end - one.records for place, one in zip(places, found, strict=True) if one.records}
        waiting = await _first_times(consumer, behind, ends, settings)
    return GroupLag(
        group,
        state,
        settings.input_topic,
        now_ms(),
        [one._replace(waiting_ms=waiting.get(place)) for place, one in zip(places, found, strict=True)],
    )


def _described(answers: Sequence[Any], topic: str) -> tuple[str, dict[int, Owner]]:
    """Return the state of the group in the brokers' *answers*, and who owns each partition of *topic*."""
    (answer,) = answers  # one group was asked for
    ((code, _, state, _, _, members, *_rest),) = answer.groups
    if code:
        raise for_code(code)
    owners: dict[int, Owner] = {}
    for member, _, host, _, assignment, *_rest in members:
        if assignment:  # none while the group is between two generations
            for name, partitions in ConsumerProtocolMemberAssignment.decode(assignment).assignment:
                if name == topic:
                    owners |= dict.fromkeys(partitions, Owner(member, host.removeprefix("/")))
    return state, owners


async def _first_times(
    consumer: AIOKafkaConsumer,
    behind: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    settings: Settings,
) -> dict[TopicPartition, int]:
    """Return the record time of the first record at or after each offset of *behind*; none where only control records are."""
    found: dict[TopicPartition, int] = {}
    if not behind:
        return found
    consumer.assign(list(behind))
    for place, offset in behind.items():
        consumer.seek(place, offset)
    left, deadline = set(behind), Deadline(_PATIENCE_S)
    while left:
        for place, records in (await consumer.getmany(*left, timeout_ms=200)).items():
            found[place] = records[0].timestamp
        done = {place for place in left if place in found or await consumer.position(place) >= ends[place]}
        consumer.pause(*done)
        left -= done
        if left and deadline.has_passed:
            raise DependencyError(
                what="Kafka",
                problem=f"{settings.input_topic}[{min(left).partition}] is not answered for",
                fix="check that each partition has a leader",
            )
    return found
