"""Fakes of what a partition at work touches: a delivery that waits to be told, and records without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.support.counting_pipeline import CountingPartition
from worker.kafka.aiokafka_private import Progress
from worker.kafka.txn_offsets import Member
from worker.pipeline import Round
from worker.stores.memory import MemoryStore
from worker.stream.batches import Row
from worker.stream.rounds import OwnedPartition
from worker.stream.store_access import StoreAccess
from worker.stream.surroundings import RoundLimits, Surroundings

OUTPUTS = "outputs"


class FakeRecord(NamedTuple):
    """A record of the source topic."""

    offset: int
    key: bytes
    timestamp: int = 1_000
    value: bytes = b"x"
    headers: tuple[tuple[str, bytes], ...] = ()


def records(count: int, *, start: int = 0, keys: int = 3) -> list[FakeRecord]:
    """Return *count* records from offset *start* on, for *keys* keys in turn."""
    return [FakeRecord(offset, b"k%d" % (offset % keys), 1_000 + offset) for offset in range(start, start + count)]


def progress(position: int, *, highwater: int | None = None, polled_ms: int = 5_000) -> Progress:
    """Return where a consumer stands: at *position*, of a log that ends there or at *highwater*."""
    end = position if highwater is None else highwater
    return Progress(position, end, end, polled_ms)


class HeldDelivery:
    """A delivery that takes rounds and finishes one each time that `finish` is called; or all at once when not *is_held*."""

    merges_by_fence = False

    def __init__(self, *, is_held: bool = True) -> None:
        self.rounds: list[Round] = []
        self.finished: list[int] = []
        self.done_offsets: list[int] = []
        self._is_held = is_held
        self._may_finish = asyncio.Semaphore(0)
        self._changelog_end = 0

    def finish(self) -> None:
        """Let one round become durable."""
        self._may_finish.release()

    async def deliver(self, partition: int, round_: Round) -> int:
        self.rounds.append(round_)
        if self._is_held:
            await self._may_finish.acquire()
        self.finished.append(partition)
        self._changelog_end += len(round_.puts) + len(round_.deletes)
        return self._changelog_end - 1

    def done(self, partition: int, next_offset: int) -> None:
        self.done_offsets.append(next_offset)

    async def open(self, partitions: Sequence[int], member: Member) -> None: ...

    async def settle_restore(self, partition: int, changelog_end: int, lost: Sequence[Row]) -> int:
        return changelog_end - 1

    def committable(self) -> Mapping[int, int]:
        return {}

    async def close(self) -> None: ...


class Desk:
    """
    One owned partition with its store, its delivery, and a note of what would have ended the process.

    Args:
        is_held: Whether rounds wait for `delivery.finish`.
        events: Records that end a round.
        busy: How many partitions have records waiting.
    """

    def __init__(
        self,
        *,
        is_held: bool = True,
        events: int = 10,
        catching_up: int = 100,
        dirty_bytes: int = 1 << 20,
        low_latency: bool = False,
        has_timers: bool = False,
        busy: int = 1,
    ) -> None:
        self.deaths: list[BaseException] = []
        self.observed: list[int] = []
        self.store = MemoryStore()
        self.store.open(0)
        self.delivery = HeldDelivery(is_held=is_held)
        self.scoring = CountingPartition(0, None, OUTPUTS, has_timers=has_timers)
        self.access = StoreAccess()
        self.surroundings = Surroundings(
            store=self.store,
            access=self.access,
            delivery=self.delivery,
            limits=RoundLimits(events, catching_up, dirty_bytes, low_latency),
            die=self.deaths.append,
            count_busy=lambda: busy,
            observe=lambda partition, *_: self.observed.append(partition),
        )
        self.one = OwnedPartition(0, self.scoring, 0, None, self.surroundings)

    def poll(self, count: int, *, highwater: int | None = None) -> None:
        """Bring *count* more records, of a log that ends there or at *highwater*."""
        start = self.one.progress.position if self.one.progress else 0
        self.one.take(records(count, start=start), start, progress(start + count, highwater=highwater))

    def fold_all(self) -> None:
        """Fold until nothing more can be folded."""
        while self.one.can_fold and self.one.fold_next():
            pass
