"""What both guarantees promise to the rounds: a round is durable and visible, or the process ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from worker.kafka.txn_offsets import Member
from worker.pipeline import Round
from worker.stream.batches import Row


class Delivery(Protocol):
    """Carries rounds to Kafka. Every exception it raises means that this process must not go on."""

    @property
    def merges_by_fence(self) -> bool:
        """Whether a restore has to choose between rows of one key, because a worker that was cut off may have written."""

    async def open(self, partitions: Sequence[int], member: Member) -> None:
        """Get ready to write *partitions* as *member*; whoever wrote them before is fenced where the guarantee can."""

    async def settle_restore(self, partition: int, changelog_end: int, lost: Sequence[Row]) -> int:
        """
        Put *lost* rows again, the values that the changelog's last rows hide.

        Args:
            partition: Whose changelog it is.
            changelog_end: End of the changelog, as restored.
            lost: Rows to write.

        Returns:
            The changelog's last offset that the store now includes.
        """

    async def deliver(self, partition: int, round_: Round) -> int:
        """Make *round_* durable and visible; return the offset of its last changelog row."""

    def done(self, partition: int, next_offset: int) -> None:
        """Hear that the round before *next_offset* is in the store as well."""

    def committable(self) -> Mapping[int, int]:
        """Return the source offsets that are still to be committed by the consumer, by partition."""

    async def close(self) -> None:
        """Let go of everything that `open` made."""
