"""The world of one history: time, chance, the broker, workers that come and go, and everything that is done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

from tests.simulation.broker import Broker
from tests.simulation.checks import check_commit
from tests.simulation.disks import Disk, Server
from tests.simulation.group import SESSION_S
from tests.simulation.loop import WALL_MS, Clock, ProcessLoop
from tests.simulation.plan import Action, Plan
from tests.simulation.process import Process
from tests.simulation.scoring import TYPES, event_bytes, pipeline_for, settings_for
from worker.contracts.partitioner import partition_of
from worker.errors import RestartRequired
from worker.stream.batches import Row

if TYPE_CHECKING:
    from worker.pipeline import Round

_ENDLESS = 1 << 60
_RESTART_S = 0.3
_HEAL_S = 120.0
_COMPACTION_LAG_MS = 8_000  # stands for the hour that the changelog has without transactions
_BAD = (b"no json", b"{}", b"", b'{"id": "x", "contact_id": "c0", "type": "page.viewed", "occurred_at": "never"}')


class Broken(AssertionError):
    """A promise was broken."""


class World:
    """
    One history as it happens.

    Args:
        plan: How it is made.
        clock: The clock that everything runs on.
        seed: Of what is left to chance: latencies, who gets which partition, what of a dying process still arrives.
        trace: Takes a line for each thing that happens; None: nobody looks.
    """

    def __init__(self, plan: Plan, seed: int, clock: Clock, trace: Callable[[str], None] | None = None) -> None:
        self.plan = plan
        self.clock = clock
        self.fuse = _ENDLESS
        self.awake: list[ProcessLoop] = []
        self.is_healed = False
        self.deaths = 0
        self.problems: list[str] = []
        self.cause: BaseException | None = None
        rng = Random(seed)
        self.random = rng.random
        self._heap: list[tuple[float, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._sequence = 0
        self._trace = trace
        self.settings = settings_for(plan)
        self.pipeline = pipeline_for(plan)
        self.source = self.settings.input_topic
        names = self.settings
        self._topics = {
            "source": names.input_topic,
            "told": names.qualifications_topic,
            "scores": names.scores_topic,
            "refused": names.dlq_topic,
            "changelog": names.changelog_topic,
        }
        self.broker = Broker(self, list(self._topics.values()), plan.partitions)
        self.batch_rows, self.fetch_rows = plan.batch_rows, plan.fetch_rows
        self.poll_rows, self.restore_rows = plan.poll_rows, plan.restore_rows
        self.refusals: list[str] = []
        self.ambushes: list[list[Any]] = []
        self.skews: dict[str, int] = {}
        self.broker.on_committed = partial(check_commit, self)
        self.names = [f"w{number}" for number in range(plan.workers)]
        self.disks = {name: Disk() for name in self.names}
        self.server = Server()
        self.processes: dict[str, Process] = {}
        self.stopped: set[str] = set()
        self._members = 0
        self.event_ms = WALL_MS  # of the newest event, where time is the stream's
        self._events = 0
        self._values: list[tuple[str, bytes, int]] = []
        self.books: Counter[tuple[str, str]] = Counter()  # of committed rounds
        for name in self.names:
            self.start(name)

    # ---- time and chance

    def at(self, when: float, call: Callable[..., Any], *args: Any) -> None:
        """Do something at an instant."""
        self._sequence += 1
        heappush(self._heap, (when, self._sequence, call, args))

    def after(self, seconds: float, call: Callable[..., Any], *args: Any) -> None:
        """Do something in a while."""
        self.at(self.clock.now + seconds, call, *args)

    def choice(self, count: int) -> int:
        """Return one of 0 to *count* - 1."""
        return int(self.random() * count)

    def latency(self) -> float:
        """Return how long a message takes."""
        chance = self.random()
        if self.plan.is_rough and chance < 0.03 and not self.is_healed:
            return chance * 40
        return 0.0005 + 0.004 * chance

    def stamp_ms(self) -> int:
        """Return the record time of what is appended to the source topic now."""
        return self.event_ms if self.plan.time == "stream" else self.broker.now_ms

    def note(self, line: str) -> None:
        """Tell whoever looks."""
        if self._trace is not None:
            self._trace(f"{self.clock.now:9.4f}  {line}")

    def fail(self, problem: str, cause: BaseException | None = None) -> None:
        """Note that a promise was broken; the history ends at the next occasion."""
        self.note(f"BROKEN: {problem}")
        self.problems.append(problem)
        self.cause = self.cause or cause

    def _check(self) -> None:
        if self.problems:
            raise Broken(self.problems[0]) from self.cause

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.clock.now + seconds
        heap = self._heap
        self._run_awake()
        while heap and heap[0][0] <= until:
            self._next()
        self.clock.now = until
        self._check()

    def steps(self, count: int) -> None:
        """Let *count* steps happen, wherever that ends: between any two callbacks of a process."""
        self.fuse = count
        self._run_awake()
        while self.fuse > 0 and self._heap:
            self.fuse -= 1
            self._next()
        self.fuse = _ENDLESS
        self._check()

    def _next(self) -> None:
        when, _, call, args = heappop(self._heap)
        self.clock.now = max(self.clock.now, when)
        call(*args)
        if self.awake:
            self._run_awake()

    def _run_awake(self) -> None:
        while self.awake and self.fuse > 0:
            loop = self.awake.pop()
            if loop.is_dead or loop.is_frozen:
                continue
            if not loop.run_ready():
                self._bury(loop)
            elif loop.ready:
                self.awake.append(loop)

    # ---- processes

    def start(self, name: str) -> None:
        """Start a worker."""
        self.stopped.discard(name)
        if name not in self.processes:
            self.processes[name] = Process(self, name)

    def new_member_id(self, process: Process) -> str:
        """Return the group's name for *process*."""
        self._members += 1
        return f"{process.name}-{self._members}"

    def _bury(self, loop: ProcessLoop) -> None:
        for name, process in list(self.processes.items()):
            if process.loop is loop:
                loop.is_dead = True
                process.store.close_all()  # what is left of its code must not write
                del self.processes[name]
                self.after(SESSION_S, self.session_ends, process)
                if name not in self.stopped:
                    self.after(_RESTART_S + self.random(), self._start_again, name)
        loop.bury()

    def _start_again(self, name: str) -> None:
        if name not in self.stopped:
            self.start(name)

    def session_ends(self, process: Process) -> None:
        """Expel *process* if nothing is heard of it."""
        if process.loop.is_dead or process.loop.is_frozen:
            self.broker.group.expel(process)
            if process.member_id in self.broker.group.members:
                self.after(SESSION_S, self.session_ends, process)

    def process_left(self, process: Process) -> None:
        """End *process*, which has left the group in good order."""
        if not process.loop.is_dead:
            self._bury(process.loop)

    def round_committed(self, tag: tuple[int, Round] | None) -> None:
        """Enter a round that is durable now into the books."""
        if tag is not None:
            self.books.update(tag[1].counts)

    def check_books(self, partition: int, round_: Round) -> None:
        """Check that every record of a round is accounted for, under each model."""
        counts = round_.counts
        received = counts["received", ""]
        by_code = sum(number for (what, _), number in counts.items() if what == "dead_lettered")
        for model in ("plain", "fading"):
            told = sum(counts[what, model] for what in ("effective", "duplicate", "without_effect"))
            told += counts["forwarded", ""] + counts["replayed", ""] + by_code
            if told != received:
                self.fail(
                    f"books of {model} in partition {partition}: received {received}, told of {told}: {dict(counts)}"
                )

    # ---- actions

    def do(self, action: Action) -> None:
        """Do one thing. What cannot be done now is left undone, so that any part of a history is a history."""
        verb, *args = action
        if self._trace is not None:
            self.note(f"--- {' '.join(map(str, action))}")
        getattr(self, "_do_" + verb.replace(" ", "_"))(*args)
        self._check()

    def _do_run(self, milliseconds: int) -> None:
        self.run(milliseconds / 1000)

    def _do_steps(self, count: int) -> None:
        self.steps(count)

    def _do_event(self, contact: int, kind: int, gap_s: int, oddity: str, number: int) -> None:
        self.event_ms += gap_s * 1000
        now_ms = self.stamp_ms()
        at_ms = now_ms
        if kind == len(TYPES) - 1 and number:
            kind = number % 4
        if oddity in ("late", "lost"):
            at_ms -= (1000, 30_000, 100_000, 500_000)[number % 4]
        elif oddity == "future":
            at_ms += (1000, 200_000, 301_000, 10_000_000)[number % 4]
        name = f"c{contact}"
        self._events += 1
        value = event_bytes(f"e{self._events}", name, TYPES[kind], at_ms)
        if oddity == "again" and self._values:
            name, value, _ = self._values[number % len(self._values)]
        elif oddity == "bad":
            value = _BAD[number % len(_BAD)]
        else:
            self._values.append((name, value, at_ms))
            del self._values[:-8]
        key: bytes | None = name.encode()
        partition = partition_of(name.encode(), self.plan.partitions)
        if oddity in ("misplaced", "lost"):
            partition = number % self.plan.partitions
        if oddity in ("keyless", "lost"):
            key = None
        self.broker.produce(TopicPartition(self.source, partition), [Row(key, value)])

    def _do_kill(self, worker: int, disk: str) -> None:
        name = self.names[worker % len(self.names)]
        process = self.processes.get(name)
        if process is None:
            return
        self._bury(process.loop)
        if disk == "wiped":
            self.disks[name].wipe()
        elif disk != "same":
            self.disks[name].lose_writes(int(disk.removeprefix("cut ")))

    def _do_ambush(self, worker: int, request: str, when: str, number: int, deed: str) -> None:
        self.ambushes.append([self.names[worker % len(self.names)], request, when, number, deed])

    def is_ambushed(self, loop: ProcessLoop, effect: str, topic: str, when: str) -> bool:
        """Do to the process of *loop* what it was to meet with at this request; whether there was anything."""
        for ambush in self.ambushes:
            name, request, its_when, number, deed = ambush
            process = self.processes.get(name)
            if process is None or process.loop is not loop or its_when != when:
                continue
            if effect != request and (not topic or self._topics.get(request) != topic):
                continue
            if number > 1:
                ambush[3] -= 1
                continue
            self.ambushes.remove(ambush)
            self.note(f"{name} meets with: {deed}, {when} {request}")
            worker, (verb, _, rest) = self.names.index(name), deed.partition(" ")
            getattr(self, f"_do_{verb}")(*([] if verb == "rebalance" else [worker]), *([rest] if rest else []))
            return True
        return False

    def _do_freeze(self, worker: int) -> None:
        process = self.processes.get(self.names[worker % len(self.names)])
        if process is not None and not process.loop.is_frozen:
            process.loop.is_frozen = True
            self.after(SESSION_S, self.session_ends, process)

    def _do_thaw(self, worker: int) -> None:
        process = self.processes.get(self.names[worker % len(self.names)])
        if process is not None and process.loop.is_frozen:
            process.loop.is_frozen = False
            if process.loop.ready:
                self.awake.append(process.loop)

    def _do_expel(self, worker: int) -> None:
        process = self.processes.get(self.names[worker % len(self.names)])
        if process is not None:
            self.broker.group.expel(process)

    def _do_rebalance(self) -> None:
        self.broker.group.rebalance()

    def _do_stop(self, worker: int) -> None:
        name = self.names[worker % len(self.names)]
        self.stopped.add(name)
        if name in self.processes:
            self.processes[name].leave()

    def _do_start(self, worker: int) -> None:
        name = self.names[worker % len(self.names)]
        if name in self.stopped:
            self.start(name)

    def _do_hold(self, topic: str) -> None:
        self.broker.held.add(self._topics[topic])

    def _do_release(self) -> None:
        self.broker.held.clear()

    def _do_refuse(self, when: str) -> None:
        self.refusals.append(when)

    def _do_compact(self, partition: int, drops_tombstones: bool) -> None:
        number = partition % self.plan.partitions
        log = self.broker.logs[TopicPartition(self._topics["changelog"], number)]
        until = log.end
        if self.plan.guarantee == "at_least_once":
            if not (self._is_noticed(number, log.end) or self._is_looked_at(number)):
                return
            young = self.broker.now_ms - _COMPACTION_LAG_MS
            until = next((one.offset for one in log.entries if not one.is_control and one.timestamp > young), log.end)
        gone = log.compact(until, drops_tombstones=drops_tombstones)
        self.note(f"compaction took {gone} rows")

    def _is_noticed(self, number: int, end: int) -> bool:
        """
        Whether the owner of a partition has written or restored up to the end of its changelog.

        Without transactions, a row that a worker left there after it was cut off is put right at the owner's next write or restore,
        or when it looks.
        """
        owned = [process.assignment.owned.get(number) for process in self.processes.values()]
        return any(one is not None and one.stored_offset == end - 1 for one in owned)

    def _is_looked_at(self, number: int) -> bool:
        """
        Whether a worker that is at work has looked at the end of a partition that is idle, as it does many times within
        min.compaction.lag, and found nothing. Where nobody is at work for that long, nobody does.
        """
        for process in list(self.processes.values()):
            one = process.assignment.owned.get(number)
            if one is None or one.under_way is not None or process.loop.is_frozen:
                continue
            process.look_at_idle_partitions()
            self._run_awake()
            if not process.loop.is_dead:
                return True
        return False

    def _do_skew(self, worker: int, milliseconds: int) -> None:
        name = self.names[worker % len(self.names)]
        self.skews[name] = milliseconds
        if name in self.processes:
            self.processes[name].loop.skew_ms = milliseconds

    def _do_fall_back(self, writes: int) -> None:
        self.server.lose_writes(writes)

    def _do_wipe_server(self) -> None:
        self.server.wipe()

    def _do_away(self, milliseconds: int) -> None:
        self.server.is_away = True
        self.after(milliseconds / 1000, self._server_returns)

    def _server_returns(self) -> None:
        self.server.is_away = False

    def _do_lose_answer(self) -> None:
        self.server.answers_lost = 1

    # ---- the end

    def heal(self) -> None:
        """Let everything work again, and wait until nothing is left to do; raises Broken when that never comes."""
        self.note("--- everything heals")
        self.is_healed = True
        self.broker.held.clear()
        self.refusals.clear()
        self.ambushes.clear()
        self._server_returns()
        self.server.answers_lost = 0
        if self.server.losses or self.choice(2):  # who has nothing to do does not notice what was lost meanwhile
            for partition in range(self.plan.partitions):
                self._touch(partition)
        for worker, name in enumerate(self.names):
            self._do_thaw(worker)
            if name in self.stopped:
                self.stopped.discard(name)
                self.start(name)
        deadline = self.clock.now + _HEAL_S
        deaths, quiet = self.deaths, 0
        while quiet < 3:
            if self.clock.now > deadline:
                self.fail(
                    f"not at rest {_HEAL_S:g} s after the last fault, {self.deaths - deaths} deaths since: {self.unrest()}"
                )
                self._check()
            self.run(0.6)
            quiet = 0 if self.unrest() else quiet + 1

    def _touch(self, partition: int) -> None:
        """Give *partition* something to write."""
        name = next(
            f"z{number}" for number in range(99) if partition_of(b"z%d" % number, self.plan.partitions) == partition
        )
        value = event_bytes(f"last {partition}", name, TYPES[0], self.stamp_ms())
        self.broker.produce(TopicPartition(self.source, partition), [Row(name.encode(), value)])

    def unrest(self) -> str:
        """Return why the world is not at rest; empty when it is."""
        group = self.broker.group
        if not group.is_stable or len(group.members) != len(self.names):
            return f"the group has {len(group.members)} members, stable: {group.is_stable}"
        owners = Counter(number for process in self.processes.values() for number in process.assignment.owned)
        if owners != Counter(range(self.plan.partitions)):
            return f"owners {owners}"
        for process in self.processes.values():
            if not process.assignment.is_ready:
                return f"{process.name} is not ready"
            for number, one in process.assignment.owned.items():
                log = self.broker.logs[TopicPartition(self.source, number)]
                position = one.progress.position if one.progress is not None else one.next_offset
                if log.stable != log.end or position != log.end or one.is_busy or one.under_way is not None:
                    return f"partition {number} is at {position} of {log.stable} of {log.end}"
                if one.committed != log.end or self.broker.committed.get(number, 0) != log.end:
                    return f"partition {number} is committed to {self.broker.committed.get(number)} of {log.end}"
                until = one.scoring.due_until()
                try:
                    if until is not None and process.store.due_before(number, until, 1):
                        return f"timers of partition {number} are due"
                except RestartRequired:
                    return f"{process.name} is about to notice what happened to the store of partition {number}"
        return ""

    def close(self) -> None:
        """End all that is left."""
        for process in list(self.processes.values()):
            process.loop.is_dead = True
            process.store.close_all()
            process.loop.bury()
        self.processes.clear()
        self._heap.clear()
