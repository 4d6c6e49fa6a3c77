"""One owned partition at work: records folded as polled, rounds ended by time, count or size, one under way at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from worker.clock import monotonic
from worker.errors import RestartRequired, WorkerError
from worker.kafka.aiokafka_private import Progress
from worker.stream.fatal import describe
from worker.stream.round_deadline import RoundDeadline
from worker.stream.stopped import Stopped, log_stopped, too_many_refused

if TYPE_CHECKING:
    from worker.pipeline import Round
    from worker.stores.base import Due
    from worker.stream.ports import PartitionLike
    from worker.stream.surroundings import Surroundings

_POSITION_ONLY_S = 1.0
_FOLD_EVENTS = 2000  # folded without giving the event loop a turn: some 20 ms


class OwnedPartition:
    """
    The work on one owned source partition.

    Args:
        number: The partition.
        scoring: Its pure half.
        start: Source offset to read first.
        stored_offset: Last changelog offset that the store includes; None: none.
        surroundings: What it shares with the others.
    """

    def __init__(
        self, number: int, scoring: PartitionLike, start: int, stored_offset: int | None, surroundings: Surroundings
    ) -> None:
        self.number = number
        self.scoring = scoring
        self.next_offset = start  # of the next record to fold
        self.committed = start  # durable up to here
        self.progress: Progress | None = None
        self.last_folded_ms: int | None = None  # record time of the last record folded
        self.ended_at = self.moved_at = monotonic()
        self.opened_at: float | None = None  # when the open round got its first record
        self.under_way: asyncio.Task[None] | None = None
        self.under_way_since = 0.0
        self._shared = surroundings
        self._get_many = partial(surroundings.store.get_many, number)
        self._stored_offset = stored_offset
        self._position_taken = start
        self._backlog: deque[list[Any]] = deque()
        self._deadline = RoundDeadline(self._end_when_possible)
        self._is_overdue = False
        self._open_first_ms: int | None = None  # record time of the first record of the open round
        self._under_way_first_ms: int | None = None
        self.is_settling = False  # no new work, only what is under way
        self.is_timer_waiting = False  # timers go next: a round that is full leaves them its place
        self.is_closed = False
        self.stopped: Stopped | None = None
        if scoring.stopped_at is not None:
            self.stop(too_many_refused(number, scoring.stopped_at, surroundings.limits.refused))

    @property
    def is_busy(self) -> bool:
        """Whether records wait: polled, or folded and not yet written."""
        return self.can_fold or self.scoring.pending > 0

    @property
    def is_carrying_over(self) -> bool:
        """Whether stored contacts are still being carried over to a new version of a model; nothing is read before."""
        return self.scoring.carries_over_from is not None

    @property
    def can_fold(self) -> bool:
        """Whether polled records wait to be folded, and may be."""
        return bool(self._backlog) and self.stopped is None

    @property
    def stored_offset(self) -> int | None:
        """Last changelog offset that the store includes; None: none."""
        return self._stored_offset

    @property
    def has_read_everything(self) -> bool:
        """Whether every record that a read_committed consumer may see was folded, as the last poll saw it."""
        return not self._backlog and self.progress is not None and self.progress.position >= self.progress.stable

    @property
    def is_catching_up(self) -> bool:
        """Whether more than a round's worth of records waits."""
        return self.progress is not None and self.progress.highwater - self.next_offset > self._shared.limits.events

    @property
    def oldest_waiting_ms(self) -> int | None:
        """Record time of the oldest record that is not committed, or of the last one folded; None when none was seen."""
        for known in (self._under_way_first_ms, self._open_first_ms):
            if known is not None:
                return known
        return self._backlog[0][0].timestamp if self._backlog else self.last_folded_ms

    def take(self, records: Sequence[Any], before: int, progress: Progress | None) -> None:
        """
        Take what a poll brought.

        Args:
            records: In offset order.
            before: The consumer's position when the poll began.
            progress: Where it stands after it; None before the broker has said anything.

        Raises:
            RestartRequired: the poll did not begin where the one before it ended: retention has overtaken us, or
                the client went elsewhere by itself. Going on would skip records in silence.
        """
        if before != self._position_taken:
            raise RestartRequired(
                what=f"partition {self.number}",
                problem=f"reading went on at offset {before} instead of {self._position_taken}",
            )
        if progress is not None:
            self.progress = progress
            self.scoring.note_present(progress.polled_ms)
            self._position_taken = progress.position
        if records:
            self._backlog.append(list(records))

    def stop(self, why: Stopped) -> None:
        """Read no more, because of *why*; rounds of what was read still end, and time stands still for its timers."""
        self.stopped = why
        log_stopped(self.number, why)

    def fold_next(self) -> bool:
        """
        Fold some of the backlog into the open round; False when the round is full and another is under way.

        Raises:
            StoreUnavailable: nothing was folded; call again.
            RestartRequired: a record cannot be folded for a reason that nobody foresaw; the error names it.
        """
        limits = self._shared.limits
        room = (limits.events_catching_up if self.is_catching_up else limits.events) - self.scoring.pending
        if room <= 0 or limits.are_reached(self.scoring):
            self._end_when_possible()
            return False
        records = self._backlog[0]
        chunk = records[: min(room, _FOLD_EVENTS)]
        if self.opened_at is None:
            self.opened_at = monotonic()
            self._open_first_ms = chunk[0].timestamp
        self._fold(chunk)
        self.moved_at = monotonic()
        if (stopped_at := self.scoring.stopped_at) is not None:
            self.next_offset = stopped_at
            self.stop(too_many_refused(self.number, stopped_at, limits.refused))
            self._end_when_possible()
            return True
        if len(chunk) < len(records):
            self._backlog[0] = records[len(chunk) :]
        else:
            self._backlog.popleft()
        self.next_offset = chunk[-1].offset + 1
        self.last_folded_ms = chunk[-1].timestamp
        if len(chunk) >= room or limits.are_reached(self.scoring):
            self._end_when_possible()
        else:
            self._schedule()
        return True

    def _fold(self, chunk: list[Any]) -> None:
        try:
            self.scoring.fold(chunk, self._get_many)
        except WorkerError:
            raise
        except Exception as error:
            at = self.scoring.failed_at
            raise RestartRequired(
                what=f"partition {self.number}, offset {chunk[0].offset if at is None else at}",
                problem=f"{describe(error)}; should it end here every time, report it, and pass over the record with "
                f"`leadscore offsets skip {self.number}:{chunk[0].offset if at is None else at}`",
            ) from error

    def fire(self, entries: Sequence[Due]) -> None:
        """Advance the contacts of *entries* into the open round."""
        self.scoring.fire(entries, self._get_many)

    def carry_over(self, keys: Sequence[bytes], *, is_last: bool) -> None:
        """Carry the contacts of *keys* over to a new version of a model, into the open round."""
        self.scoring.carry_over(keys, self._get_many, is_last=is_last)

    async def settle_round(self) -> None:
        """End the open round and wait until it is stored."""
        await self._until_carried()
        self.end_round()
        await self._until_carried()

    async def _until_carried(self) -> None:
        while self.under_way is not None:
            await asyncio.wait({self.under_way})

    def end_idle_round(self) -> None:
        """Commit the position alone when only control or aborted records moved it, at most once a second."""
        if self.under_way is not None or self.is_busy or self.progress is None:
            return
        if self.progress.position > self.committed and monotonic() - self.ended_at >= _POSITION_ONLY_S:
            self.end_round()

    def end_round(self) -> None:
        """Close the open round and send it on its way; nothing happens while another one is, or when it is empty."""
        if self.under_way is not None or self.is_closed:
            return
        self._unschedule()
        round_ = self.scoring.drain(self._position())
        self.ended_at = monotonic()
        opened_at, self.opened_at = self.opened_at, None
        if round_ is not None:
            self._under_way_first_ms, self._open_first_ms = self._open_first_ms, None
            self.under_way_since = self.ended_at
            self.under_way = asyncio.create_task(
                self._carry(round_, opened_at or self.ended_at), name=f"round of partition {self.number}"
            )
            self.under_way.add_done_callback(self._on_carried)

    async def settle(self) -> None:
        """Make everything folded so far durable and wait for it."""
        while self.under_way is not None or self.scoring.pending:
            if self.under_way is None:
                self.end_round()
            if self.under_way is not None:
                await asyncio.wait({self.under_way})

    def close(self) -> None:
        """Do nothing more for this partition; what is polled and not folded is left to its next owner."""
        self.is_closed = True
        self._backlog.clear()
        self._unschedule()
        self.scoring.close()

    def _position(self) -> int | None:
        """Return the consumer's position, None while records before it wait to be folded."""
        if self._backlog or self.progress is None or self.progress.position < self.next_offset:
            return None
        return self.progress.position

    def _schedule(self) -> None:
        limits = self._shared.limits
        if not self._deadline.is_set:
            self._deadline.set(limits.seconds(self._shared.count_busy(), is_catching_up=self.is_catching_up))
        if limits.is_low_latency and self.scoring.has_transitions:
            self._deadline.hurry()

    def _unschedule(self) -> None:
        self._deadline.clear()
        self._is_overdue = False

    def _end_when_possible(self) -> None:
        if self.under_way is None and not self.is_timer_waiting:
            self._guarded(self.end_round)
        else:
            self._is_overdue = True

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a timer has no caller that could hear of it
            self._shared.die(error)

    async def _carry(self, round_: Round, opened_at: float) -> None:
        shared = self._shared
        last = await shared.delivery.deliver(self.number, round_)
        committed_at = monotonic()
        await shared.access.call(
            lambda: shared.store.write(self.number, round_.puts, round_.deletes, round_.due, self._stored_offset, last)
        )
        self._stored_offset = last
        self.scoring.settled()
        self.committed = round_.next_offset
        shared.delivery.done(self.number, round_.next_offset)
        self.moved_at = monotonic()
        shared.observe(self.number, round_, committed_at - self.under_way_since, self.moved_at - opened_at)

    def _on_carried(self, task: asyncio.Task[None]) -> None:
        self.under_way = None
        self._under_way_first_ms = None
        if task.cancelled():
            if not self.is_closed:  # nobody knows how far it came
                self._shared.die(RestartRequired(what=f"partition {self.number}", problem="a round was cancelled"))
        elif (error := task.exception()) is not None:
            self._shared.die(error)
        else:
            self.end_if_overdue()

    def end_if_overdue(self) -> None:
        """End the open round if it was to end while another was under way, unless timers have still to add to it."""
        if self._is_overdue and not self.is_timer_waiting:
            self._guarded(self.end_round)
