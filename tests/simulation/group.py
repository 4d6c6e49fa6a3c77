"""A consumer group as its coordinator sees it: members, generations, and members that do not know yet that they are none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from worker.kafka.txn_offsets import Member

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

SESSION_S = 2.0
_REBALANCE_S = 6.0
HEARTBEAT_S = 0.6
_FILLING_S = 0.05


class Group:
    """One group over *partitions* partitions; assignments are eager, and anybody's guess."""

    def __init__(self, world: World, partitions: int) -> None:
        self._world = world
        self._partitions = partitions
        self.generation = 0
        self.members: dict[str, Process] = {}
        self.assigned: dict[str, list[int]] = {}
        self.is_stable = True
        self._joined: dict[str, asyncio.Future[Any]] = {}
        self._attempt = 0
        self._is_filling = False  # the first generation waits for those who start at the same time

    def knows(self, member: Member) -> bool:
        """Whether *member* may still commit."""
        return member.member_id in self.members and member.generation == self.generation

    def join(self, process: Process, answer: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """Take *process* in, or let it take part in the next generation; *answer* is set when that begins."""
        name = process.member_id
        if process.loop.is_dead:  # its last words
            self._world.after(SESSION_S, self._world.session_ends, process)
        if not name:
            name = process.member_id = self._world.new_member_id(process)
        if process.instance_id:
            for other, its_process in list(self.members.items()):
                if its_process.instance_id == process.instance_id and other != name:
                    if self.is_stable and other in self.assigned:  # a static member comes back as it was
                        del self.members[other]
                        self.members[name] = process
                        self.assigned[name] = self.assigned.pop(other)
                        self._answer(process, answer, self.assigned[name])
                        return answer
                    self._forget(other)
        self.members[name] = process
        self._joined[name] = answer
        if self.is_stable:
            self.rebalance()
        else:
            self._maybe_complete()
        return answer

    def _answer(self, process: Process, answer: asyncio.Future[Any], partitions: list[int]) -> None:
        self._world.after(self._world.latency(), self._deliver, process, answer, self.generation, list(partitions))

    def _deliver(self, process: Process, answer: asyncio.Future[Any], generation: int, partitions: list[int]) -> None:
        if not process.loop.is_dead and not answer.done():
            answer.set_result((generation, partitions))

    def rebalance(self) -> None:
        """Begin a new generation: everybody has to join again."""
        if not self.is_stable:
            return
        self.is_stable = False
        self._attempt += 1
        for process in list(self.members.values()):
            if process.member_id not in self._joined:
                self._world.after(self._world.random() * HEARTBEAT_S, process.hear_of_rebalance)
        self._world.after(_REBALANCE_S, self._give_up_waiting, self._attempt)
        if self.generation == 0 and self._attempt == 1:
            self._is_filling = True
            self._world.after(_FILLING_S, self._filled)
        self._maybe_complete()

    def _filled(self) -> None:
        self._is_filling = False
        self._maybe_complete()

    def _give_up_waiting(self, attempt: int) -> None:
        if self.is_stable or attempt != self._attempt:
            return
        for name in [name for name in self.members if name not in self._joined]:
            self._forget(name)
        self._maybe_complete()

    def _maybe_complete(self) -> None:
        if self.is_stable or self._is_filling or any(name not in self._joined for name in self.members):
            return
        self.is_stable = True
        self._attempt += 1
        self.generation += 1
        self.assigned = {name: [] for name in self.members}
        names = sorted(self.members)
        if names:
            turn = self._world.choice(len(names))
            for number in range(self._partitions):
                self.assigned[names[(number + turn) % len(names)]].append(number)
        waiting, self._joined = self._joined, {}
        for name, answer in waiting.items():
            self._answer(self.members[name], answer, self.assigned[name])

    def _forget(self, name: str) -> None:
        self.members.pop(name, None)
        self.assigned.pop(name, None)
        self._joined.pop(name, None)

    def expel(self, process: Process) -> None:
        """Take *process* for dead; it hears of it at a later heartbeat."""
        if self.members.get(process.member_id) is not process or process.member_id in self._joined:
            return  # who has just asked to join is alive
        self._forget(process.member_id)
        if self.is_stable:
            self.rebalance()
        else:
            self._maybe_complete()

    def leave(self, process: Process) -> None:
        """Let *process* go by its own wish."""
        if self.members.get(process.member_id) is process:
            self._forget(process.member_id)
            if self.is_stable:
                self.rebalance()
            else:
                self._maybe_complete()
