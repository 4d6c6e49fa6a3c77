"""
The keys of a partition in their order, though Redis keeps none: gathered by scans of the hash, in steps of some milliseconds.

Memory is bounded: one pass over the hash keeps the smallest keys only, a window of them, and the next pass goes on behind these. A
partition of no more contacts than that takes one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from worker.stores import redis_layout as layout
from worker.stores import redis_scripts as scripts
from worker.stores.checks import not_open
from worker.stores.redis_connection import Client
from worker.stores.redis_writes import OpenPartition, Writes

_SCANNED_AT_ONCE = 5_000
_GIVEN_AT_ONCE = 2_000

CheckOwner = Callable[[OpenPartition, bytes | None], None]


class Scans:
    """
    Scans of the partitions of one server.

    Args:
        client: The connection.
        writes: Knows what is on its way, and names errors.
        check_owner: Raises when the owner's mark that was read is not ours.
        window: How many keys a pass keeps; a quarter more lie in memory, some 90 bytes each.
    """

    def __init__(self, client: Client, writes: Writes, check_owner: CheckOwner, window: int) -> None:
        self._client = client
        self._writes = writes
        self._check_owner = check_owner
        self._window = window

    def keys_in_steps(self, opened: OpenPartition, first: bytes) -> Iterator[list[bytes]]:
        """Yield all keys from *first* on, in order, some at a time; most steps of a pass find none to give yet."""
        while True:
            keys: list[bytes] = []
            end: bytes | None = None  # what lies behind it waits for the next pass
            for found in self._pass(opened):
                keys += [key for key in found if key >= first and (end is None or key < end)]
                if len(keys) >= self._window + self._window // 4:
                    end = self._cut(keys)
                yield []
            keys.sort()  # most of them are in order
            keys = list(dict.fromkeys(keys))
            if len(keys) > self._window:
                end = self._cut(keys)
            for start in range(0, len(keys), _GIVEN_AT_ONCE):
                yield keys[start : start + _GIVEN_AT_ONCE]
            if end is None:
                return
            first = keys[-1] + b"\x00"

    def _cut(self, keys: list[bytes]) -> bytes:
        """Leave the smallest of *keys*, in order, and return the last of them; most are in order, so it takes no long time."""
        keys.sort()
        del keys[self._window :]
        return keys[-1]

    def all_keys(self, opened: OpenPartition) -> list[bytes]:
        """Return all keys in order, at once."""
        return sorted({key for found in self._pass(opened) for key in found})

    def _pass(self, opened: OpenPartition) -> Iterator[list[bytes]]:
        """Yield every key at least once; a scan that has lost its connection begins anew, since its cursor means nothing then."""
        cursor, start, lost = b"0", len(layout.CONTACT), self._client.lost
        while True:
            if opened.is_closed:
                raise not_open(opened.number)
            self._writes.settle(opened)
            if self._client.unanswered:
                self._client.disconnect()
            if self._client.lost != lost:
                cursor, lost = b"0", self._client.lost
            with self._writes.answers(f"store, partition {opened.number}"):
                owner, cursor, *fields = scripts.SCAN.call(self._client, opened.keys[:1], [cursor, _SCANNED_AT_ONCE])
            self._check_owner(opened, owner)
            yield [field[start:] for field in fields if field.startswith(layout.CONTACT)]
            if cursor == b"0":
                return
