"""
At least once, for clusters that do not allow transactional ids: outputs, then changelog, then store, then offset.

State is exact under the same faults as with transactions; a transition may be published again, with the same id. The
broker cannot fence a worker that was cut off here, so two things are watched: changelog offsets must be
contiguous (a single writer leaves no gaps), and a restore keeps the row with the highest fence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from aiokafka.structs import TopicPartition

from worker.errors import RestartRequired
from worker.kafka.txn_offsets import Member
from worker.pipeline import Round
from worker.stream.batches import Acked, BatchProducer, Row, changelog_of, outputs_of, send
from worker.stream.large_records import LargeRecords

if TYPE_CHECKING:
    from worker.settings import Settings


class AtLeastOnce:
    """
    A Delivery by one idempotent producer.

    Args:
        settings: Topics.
        producer: Gives the started idempotent producer.
    """

    merges_by_fence = True

    def __init__(self, settings: Settings, producer: Callable[[], BatchProducer]) -> None:
        self._settings = settings
        self._producer = producer
        self._changelog_ends: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self._large = LargeRecords(settings)

    async def open(self, partitions: Sequence[int], member: Member) -> None:
        """Forget what was known of other assignments."""
        self._changelog_ends = {}
        self._done = {}

    async def settle_restore(self, partition: int, changelog_end: int, lost: Sequence[Row]) -> int:
        """Put *lost* again and wait for it: compaction may otherwise drop the good row for good."""
        self._changelog_ends[partition] = changelog_end
        if lost:
            await self._append(partition, list(lost))
        return self._changelog_ends[partition] - 1

    async def deliver(self, partition: int, round_: Round) -> int:
        """
        Publish, then write the changelog.

        A state at some offset therefore implies that everything up to it was published.

        Raises:
            RestartRequired: somebody else has written to the changelog.
        """
        outputs = outputs_of(round_)
        if outputs:
            await send(self._producer(), outputs, self._large, one_by_one=True)
        return (await self._append(partition, changelog_of(round_))).last

    def done(self, partition: int, next_offset: int) -> None:
        """Let Faust commit *next_offset*."""
        self._done[partition] = next_offset

    def committable(self) -> Mapping[int, int]:
        """Return what is durable, published and stored."""
        return self._done

    async def close(self) -> None:
        """Forget everything; the producer is Faust's."""
        self._changelog_ends = {}
        self._done = {}

    async def _append(self, partition: int, rows: list[Row]) -> Acked:
        place = TopicPartition(self._settings.changelog_topic, partition)
        expected = self._changelog_ends[partition]
        acked = (await send(self._producer(), {place: rows}, one_by_one=True))[place]
        if acked.first != expected or not acked.is_contiguous:
            raise RestartRequired(
                what=f"{place.topic}[{partition}]",
                problem=f"somebody else wrote: expected to write at {expected}, wrote at {acked.first}",
            )
        self._changelog_ends[partition] = acked.last + 1
        return acked
