"""What survives a process: its disk, with all that can happen to one; or a store server that all workers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from worker.errors import RestartRequired, StoreUnavailable
from worker.stores.base import Due, DueChange
from worker.stores.memory import MemoryStore, _Partition

_KEPT = 8


def _copy(one: _Partition) -> _Partition:
    copied = _Partition()
    for name in _Partition.__slots__:
        value = getattr(one, name)
        setattr(copied, name, value.copy() if isinstance(value, dict | set | list) else value)
    return copied


class Disk:
    """Partitions that outlive the process, and how they were some writes ago."""

    def __init__(self) -> None:
        self.partitions: dict[int, _Partition] = {}
        self._past: dict[int, list[_Partition]] = {}
        self.losses = 0

    def opened(self, partition: int) -> _Partition:
        """Return *partition*, empty when new."""
        return self.partitions.setdefault(partition, _Partition())

    def remember(self, partition: int) -> None:
        """Keep *partition* as it is, before it is written."""
        past = self._past.setdefault(partition, [])
        past.append(_copy(self.partitions[partition]))
        del past[:-_KEPT]

    def lose_writes(self, writes: int) -> None:
        """Undo the last *writes* writes of each partition, as a power cut or a failover does."""
        for partition, past in self._past.items():
            if past and writes:
                kept = past[-min(writes, len(past))]
                del past[-min(writes, len(past)) :]
                self.partitions[partition] = _copy(kept)
                self.losses += 1

    def wipe(self) -> None:
        """Lose everything."""
        self.partitions.clear()
        self._past.clear()
        self.losses += 1


class DiskStore(MemoryStore):
    """The worker's store in memory, on a Disk that outlives it."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk

    def open(self, partition: int) -> None:
        self._partitions[partition] = self._disk.opened(partition)

    def write(
        self,
        partition: int,
        puts: Mapping[bytes, bytes],
        deletes: Iterable[bytes],
        due: Iterable[DueChange],
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        if partition in self._partitions:
            self._disk.remember(partition)
        super().write(partition, puts, deletes, due, expected_changelog_offset, changelog_offset)

    def drop(self, partition: int) -> None:
        super().drop(partition)
        self._disk.partitions.pop(partition, None)


class Server(Disk):
    """A store server; it may be away, or do what it is told and not say so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.answers_lost = 0  # writes that will be done without an answer


class ServerStore(MemoryStore):
    """
    A worker's connection to the server.

    Every call compares the offset that the server has with the one that this worker left or found there, reads too:
    a server that has fallen back must not be read as if it had not.
    """

    checks_reads = True

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._known: dict[int, int | None] = {}
        self._tried: dict[int, tuple[int | None, int]] = {}

    def open(self, partition: int) -> None:
        self._ask()
        self._known[partition] = self._server.opened(partition).changelog_offset

    def _opened(self, partition: int) -> _Partition:
        self._ask()
        if partition not in self._known:
            return super()._opened(partition)  # raises
        return self._server.opened(partition)

    def _read(self, partition: int) -> None:
        if self.checks_reads and self._opened(partition).changelog_offset != self._known[partition]:
            raise RestartRequired(what=f"store of partition {partition}", problem="it is not as this worker left it")

    def _ask(self) -> None:
        if self._server.is_away:
            raise StoreUnavailable(what="the store", problem="it does not answer")

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        self._read(partition)
        return super().get_many(partition, keys)

    def due_before(self, partition: int, instant_ms: int, limit: int) -> list[Due]:
        self._read(partition)
        return super().due_before(partition, instant_ms, limit)

    def iterate(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        self._read(partition)
        return super().iterate(partition)

    def changelog_offset(self, partition: int) -> int | None:
        self._read(partition)
        return super().changelog_offset(partition)

    def write(
        self,
        partition: int,
        puts: Mapping[bytes, bytes],
        deletes: Iterable[bytes],
        due: Iterable[DueChange],
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        kept = self._opened(partition)
        attempt = expected_changelog_offset, changelog_offset
        if kept.changelog_offset == changelog_offset and self._tried.get(partition) == attempt:
            self._known[partition] = changelog_offset
            return
        self._tried[partition] = attempt
        self._server.remember(partition)
        self._partitions[partition] = kept
        super().write(partition, puts, deletes, due, expected_changelog_offset, changelog_offset)
        if self._server.answers_lost:
            self._server.answers_lost -= 1
            raise StoreUnavailable(what="the store", problem="it did not answer in time")
        self._known[partition] = changelog_offset

    def drop(self, partition: int) -> None:
        super().drop(partition)
        self._known.pop(partition, None)
        self._server.partitions.pop(partition, None)

    def close(self, partition: int) -> None:
        super().close(partition)
        self._known.pop(partition, None)

    def close_all(self) -> None:
        super().close_all()
        self._known.clear()
