"""
Contacts in Redis or Valkey: one server for all workers, each partition owned by the one that opened it last.

The changelog is the truth. Redis may lose the newest writes (a crash between two syncs, a failover to a replica that lags): rows and
changelog offset are written in one step, so what comes back is an older state that knows its offset, and the rest is restored.
Every read proves that the partition is still as we left it: the owner's mark and the offset come together with the values.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from worker.logs import log_event
from worker.settings.store_url import ServerUrl
from worker.stores import redis_layout as layout
from worker.stores import redis_scripts as scripts
from worker.stores.base import Due, DueChange, DueOf
from worker.stores.checks import check_unmoved, not_open
from worker.stores.redis_access import RedisAccess
from worker.stores.redis_arguments import write_arguments
from worker.stores.redis_checks import check_server, wait_until_it_answers
from worker.stores.redis_connection import Client, connect
from worker.stores.redis_load import Loads
from worker.stores.redis_scan import Scans
from worker.stores.redis_writes import OpenPartition, Writes, lost

_log = logging.getLogger(__name__)

_START_WITHIN_S = 10.0
_READ_AT_ONCE = 5_000  # keys; some 3 ms of the server's one thread
_SCAN_WINDOW = 250_000
_SAMPLES = 50  # fields by whose size that of the whole is estimated


class RedisStore:
    """
    A ContactStore of one Redis server.

    Whoever opens a partition becomes its owner, and whoever owned it before can neither write nor read it any more: workers that
    share a server need nothing else to stay apart.

    Args:
        url: Where the server is.
        app_id: Whose state it is; keys begin with it.
        access: Password, certificates, patience.
        start_within_s: How long to wait at start for a server that does not answer.
        scan_window: How many keys `keys_in_steps` keeps.
    """

    def __init__(
        self,
        url: ServerUrl,
        *,
        app_id: str,
        access: RedisAccess,
        start_within_s: float = _START_WITHIN_S,
        scan_window: int = _SCAN_WINDOW,
    ) -> None:
        self._address = url.address
        self._app_id = app_id
        self._start_within_s = start_within_s
        self._client: Client = connect(url, access)
        self._owner = secrets.token_hex(8).encode()
        self._is_claimed = False
        self._writes = Writes(self._client, self._address, self._owner)
        self._loads = Loads(self._client, self._writes)
        self._scans = Scans(self._client, self._writes, self._check_owner, scan_window)
        self._partitions: dict[int, OpenPartition] = {}

    def claim(self) -> None:
        """
        Check that the server can keep state. It keeps nobody out: partitions are taken one by one, by `open`.

        Raises:
            ConfigError: the server may evict keys, is too old, is a replica or part of a cluster, or refuses us.
            DependencyError: it did not answer within some seconds.
        """
        if self._is_claimed:
            return
        wait_until_it_answers(self._check_server, self._address, self._start_within_s)
        self._is_claimed = True

    def open(self, partition: int) -> None:
        """
        Take *partition* over, empty when new; opening twice changes nothing.

        A partition of which a part is gone (evicted, say) is thrown away whole: its changelog offset is None, and the whole
        changelog is restored into it.

        Raises:
            ConfigError, DependencyError: as `claim`, the first time.
            StoreUnavailable: the server does not answer now.
        """
        if partition in self._partitions:
            return
        self.claim()
        self._writes.settle()
        keys = layout.keys_of(self._app_id, partition)
        with self._writes.answers(f"store, partition {partition}"):
            found, is_loading, offset = scripts.OPEN.call(self._client, keys, [self._owner, layout.ANCHOR])
        if found == b"rebuilt":
            log_event(
                _log,
                logging.WARNING,
                "store_rebuilt",
                partition=partition,
                reason="a part of it was gone from Redis: evicted, or removed by hand",
            )
        self._partitions[partition] = OpenPartition(
            partition, keys, layout.read_offset(offset), is_loading=bool(is_loading)
        )
        log_event(_log, logging.DEBUG, "store_opened", partition=partition)

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys* in their order, None for each that is absent."""
        opened = self._opened(partition)
        contact = layout.CONTACT
        values: list[bytes | None] = []
        with self._writes.answers(f"store, partition {partition}"):
            reads = []
            for start in range(0, len(keys), _READ_AT_ONCE):
                fields = [contact + key for key in keys[start : start + _READ_AT_ONCE]]
                reads.append(("HMGET", opened.keys.contacts, layout.OWNER, layout.OFFSET, *fields))
            for owner, offset, *some in self._client.call_all(reads) if reads else ():
                self._check(partition, opened, owner, offset)
                values += some
        return values

    def write(
        self,
        partition: int,
        puts: Mapping[bytes, bytes],
        deletes: Iterable[bytes],
        due: Iterable[DueChange],
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """
        Write all or nothing; see ContactStore. A key in both *puts* and *deletes* is deleted.

        After StoreUnavailable nobody knows whether it was written. The same call again finds out, and then it is.
        """
        opened = self._opened(partition)
        offsets = (expected_changelog_offset, changelog_offset)
        self._writes.write(opened, offsets, write_arguments(offsets, puts, deletes, due))

    def load(
        self,
        partition: int,
        rows: Mapping[bytes, bytes | None],
        due_of: DueOf,
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """
        Write *rows* of a restore; see ContactStore. The due index is made at the end, of what is left by then.

        The server writes while the caller goes on: the next call of any kind takes the answer, and repeats what was lost.
        """
        self._loads.add(self._known(partition), rows, due_of, (expected_changelog_offset, changelog_offset))

    def is_loading(self, partition: int) -> bool:
        """Whether a load has begun and not ended, by this process or an earlier one. It is kept in memory."""
        return self._known(partition).is_loading

    def end_load(self, partition: int, due_of: DueOf) -> Generator[None]:
        """Make the due index of what was loaded; see ContactStore."""
        yield from self._loads.end(self._opened(partition), due_of)

    def due_before(self, partition: int, instant_ms: int, limit: int) -> list[Due]:
        """Return up to *limit* entries with ``at_ms <= instant_ms``, soonest first, ties by key."""
        opened = self._opened(partition)
        with self._writes.answers(f"store, partition {partition}"):
            owner, offset, members = scripts.DUE.call(
                self._client, opened.keys, [layout.due_end(instant_ms), max(limit, 0) + 1]
            )
        self._check(partition, opened, owner, offset)
        if members[:1] != [layout.ANCHOR]:
            raise lost(partition, is_taken=False)
        return [layout.due_entry(member) for member in members[1:]]

    def changelog_offset(self, partition: int) -> int | None:
        """Return the last changelog offset included, None when nothing was written yet. It is kept in memory."""
        return self._known(partition).changelog_offset

    def iterate(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """
        Return an iterator over every key, as of the call, and its value, in key order; closing the partition ends it.

        Redis keeps no order: the keys are read at the call and kept in memory, 60 to 100 bytes each. Values are read as the scan
        comes to them, and a key that was deleted before that is left out.
        """
        opened = self._opened(partition)
        return self._values_of(partition, opened, self._scans.all_keys(opened))

    def keys_in_steps(self, partition: int, first: bytes) -> Iterator[list[bytes]]:
        """
        Yield every key from *first* on, in order; see StepwiseKeys. It keeps tens of megabytes at most.

        A partition of more than 250,000 contacts is gone through once for each 250,000 of them.
        """
        return self._scans.keys_in_steps(self._opened(partition), first)

    def size_bytes(self, partition: int) -> int:
        """Return about how many bytes of the server's memory *partition* takes up, estimated from some of its rows."""
        opened = self._opened(partition)
        with self._writes.answers(f"store, partition {partition}"):
            sizes = [self._client.call("MEMORY", "USAGE", key, "SAMPLES", _SAMPLES) for key in opened.keys]
        return sum(int(size or 0) for size in sizes)

    def tidy(self, partition: int) -> None:
        """Do nothing: what is deleted leaves Redis's files when the server rewrites them."""
        self._known(partition)

    def drop(self, partition: int) -> None:
        """Forget everything of *partition*, open or not. The server frees the memory in a thread of its own."""
        self.close(partition)
        self._writes.settle()
        with self._writes.answers(f"store, partition {partition}"):
            self._client.call("UNLINK", *layout.keys_of(self._app_id, partition))

    def close(self, partition: int) -> None:
        """Let go of *partition*; what was written stays. Closing what is not open changes nothing."""
        opened = self._partitions.pop(partition, None)
        if opened is None:
            return
        opened.is_closed = True
        self._writes.forget(opened)

    def close_all(self) -> None:
        """Let go of every open partition and of the connection."""
        for partition in list(self._partitions):
            self.close(partition)
        self._client.disconnect()

    def refused_writes(self, partition: int) -> int:
        """Return how many writes by former owners *partition* has refused since it was made; asks the server."""
        opened = self._opened(partition)
        with self._writes.answers(f"store, partition {partition}"):
            return int(self._client.call("HGET", opened.keys.contacts, layout.REFUSED) or 0)

    def _check_server(self) -> None:
        with self._writes.answers("store"):
            check_server(self._client.info(), self._address)
            for script in scripts.ALL:
                script.load(self._client)

    def _values_of(self, partition: int, opened: OpenPartition, keys: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for start in range(0, len(keys), _READ_AT_ONCE):
            if opened.is_closed:
                raise RuntimeError("the partition was closed during a scan of it")
            some = keys[start : start + _READ_AT_ONCE]
            for key, value in zip(some, self.get_many(partition, some), strict=True):
                if value is not None:
                    yield key, value

    def _opened(self, partition: int) -> OpenPartition:
        """Return *partition*, with nothing of it on its way."""
        opened = self._known(partition)
        self._writes.settle(opened)
        return opened

    def _known(self, partition: int) -> OpenPartition:
        try:
            return self._partitions[partition]
        except KeyError:
            raise not_open(partition) from None

    def _check_owner(self, opened: OpenPartition, owner: bytes | None) -> None:
        self._check(opened.number, opened, owner, layout.offset_text(opened.changelog_offset))

    def _check(self, partition: int, opened: OpenPartition, owner: bytes | None, offset: bytes | None) -> None:
        """Raise RestartRequired unless the partition was still ours, at the offset we left it at, when it was read."""
        if owner != self._owner:
            raise lost(partition, is_taken=owner is not None)
        stands_at = layout.read_offset(offset)
        if opened.unanswered is None or stands_at not in opened.unanswered:
            check_unmoved(partition, stands_at, opened.changelog_offset)
