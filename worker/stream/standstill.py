"""Partitions that stand still: looks whether somebody else has written to their changelogs, which only a restart can take up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from aiokafka.structs import TopicPartition

from worker.errors import DependencyError, RestartRequired
from worker.kafka.aiokafka_private import high_watermarks
from worker.kafka.clients import started_consumer

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.stream.rounds import OwnedPartition

INTERVAL_S = 5.0
_IDLE_EVERY = 12
"""Looks between two at partitions that are merely idle: a minute, far less than the hour for which compaction spares a row."""

AskEnds = Callable[[list[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Asks for the ends of partitions of the changelog; those that are not answered are left out."""


def ask_ends(settings: Settings) -> AskEnds:
    """Return what asks the brokers, by a client of its own: the look-up would let the worker's read uncommitted records."""

    async def ask(places: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        try:
            async with started_consumer(settings) as consumer:
                return await high_watermarks(consumer, places)
        except DependencyError:
            return {}

    return ask


class Standstill:
    """
    Watches the changelogs of partitions that stand still; nobody else would notice a row that is not ours.

    Such a row is an operator's, who waits for it to be taken up. Without transactions it may also be that of a worker that was
    cut off: the next round would notice it, but where none comes compaction could drop the good row for it.

    Args:
        settings: Name the changelog and the guarantee.
        owned: Gives the partitions at work.
        ask_ends: Asks the broker.
    """

    def __init__(self, settings: Settings, owned: Callable[[], Iterable[OwnedPartition]], ask_ends: AskEnds) -> None:
        self._changelog = settings.changelog_topic
        # Behind the last row that our store includes lies nothing of ours but the end of its transaction.
        self._ours = 2 if settings.guarantee == "exactly_once" else 1
        self._owned = owned
        self._ask_ends = ask_ends

    async def run(self) -> None:
        """Look every few seconds until cancelled; raises RestartRequired when somebody else has written."""
        while True:
            for turn in range(_IDLE_EVERY):
                await asyncio.sleep(INTERVAL_S)
                await self.look(with_idle=turn == 0)

    async def look(self, *, with_idle: bool = False) -> None:
        """Look once, *with_idle* also at partitions that may go on; raises RestartRequired as `run` does."""
        still = [one for one in self._owned() if _is_still(one) and (one.stopped is not None or with_idle)]
        places = {TopicPartition(self._changelog, one.number): one for one in still}
        stored = {one.number: one.stored_offset for one in still}
        ends = await self._ask_ends(list(places)) if places else {}
        for place, end in ends.items():
            one = places[place]
            before = stored[one.number]
            is_idle = _is_still(one) and one.stored_offset == before
            if is_idle and end > (-1 if before is None else before) + self._ours:
                problem = "an operator has moved its position"
                if one.stopped is None:
                    problem = "somebody else has written to its changelog: a worker that was cut off, or an operator"
                raise RestartRequired(what=f"partition {one.number}", problem=problem)


def _is_still(one: OwnedPartition) -> bool:
    return one.under_way is None and not one.is_closed
