"""The writes to a Redis server: each in one step, its answer judged; a load's answer is taken by the call after it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError

from worker.errors import RestartRequired, StoreUnavailable
from worker.logs import log_event
from worker.stores import redis_layout as layout
from worker.stores import redis_scripts as scripts
from worker.stores.checks import check_expected
from worker.stores.redis_connection import Client
from worker.stores.redis_errors import translated

_log = logging.getLogger(__name__)

Offsets = tuple[int | None, int]
"""The changelog offset that a write expects, and the one it leaves."""


class OpenPartition:
    """One open partition and the changelog offset it stands at."""

    __slots__ = ("changelog_offset", "is_closed", "is_loading", "keys", "number", "sent_load", "unanswered")

    def __init__(self, number: int, keys: layout.Keys, changelog_offset: int | None, *, is_loading: bool) -> None:
        self.number = number
        self.keys = keys
        self.changelog_offset = changelog_offset
        self.is_loading = is_loading
        self.unanswered: tuple[int | None, int] | None = (
            None  # offsets, expected and new, of a write nobody knows the end of
        )
        self.sent_load: tuple[Offsets, list[Any]] | None = None  # a load whose answer nobody has taken yet
        self.is_closed = False


def lost(partition: int, *, is_taken: bool) -> RestartRequired:
    """Return the error that says that *partition* is not ours any more, or not whole."""
    problem = (
        "another worker has taken it over, or the server came back with older data"
        if is_taken
        else "it is gone from Redis, as a whole or in part (flushed, evicted, or never saved); it is restored from the changelog"
    )
    log_event(_log, logging.WARNING, "store_lost", partition=partition, is_taken=is_taken)
    return RestartRequired(what=f"store, partition {partition}", problem=problem)


class Writes:
    """
    Writes to the partitions of one server.

    Args:
        client: The connection.
        address: Of the server, for messages.
        owner: Our mark in the partitions that are ours.
    """

    def __init__(self, client: Client, address: str, owner: bytes) -> None:
        self._client = client
        self._address = address
        self._owner = owner
        self._on_its_way: OpenPartition | None = None  # whose load the server is at

    def write(self, opened: OpenPartition, offsets: Offsets, arguments: list[Any]) -> None:
        """Write in one step what *arguments* hold, if the partition is ours and stands at the first of *offsets*."""
        is_repeated, opened.unanswered = opened.unanswered == offsets, offsets
        with self.answers(f"store, partition {opened.number}"):
            answer = scripts.WRITE.call(self._client, opened.keys, [self._owner, layout.ANCHOR, *arguments])
        self._judge(opened, offsets, answer, is_repeated=is_repeated)

    def _judge(self, opened: OpenPartition, offsets: Offsets, answer: list[bytes], *, is_repeated: bool) -> None:
        """Take note of what the script WRITE answered; raise RestartRequired when it has not written."""
        opened.unanswered = None
        expected, new = offsets
        outcome, *found = answer
        if outcome == b"moved":
            stands_at = layout.read_offset(found[0] if found else None)
            if not (is_repeated and stands_at == new):
                check_expected(opened.number, stands_at, expected)
        elif outcome != b"done":
            raise lost(opened.number, is_taken=outcome == b"taken")
        opened.changelog_offset = new

    def send_load(self, opened: OpenPartition, offsets: Offsets, arguments: list[Any]) -> None:
        """Send a part of a restore; the server writes while the caller goes on, and `settle` takes the answer."""
        opened.sent_load, opened.unanswered = (offsets, arguments), offsets
        opened.changelog_offset, opened.is_loading = offsets[1], True
        with self.answers(f"store, partition {opened.number}"):
            self._client.send([scripts.WRITE.command(opened.keys, [self._owner, layout.ANCHOR, *arguments])])
        self._on_its_way = opened

    def sends_behind(self, *read: Any) -> bool:  # noqa: ANN401
        """Send *read* behind the load that is on its way, if any; after `settle` its answer is next. False: it cannot be."""
        if self._client.unanswered != (self._on_its_way is not None):
            return False
        try:
            self._client.send([read], behind=True)
        except (RedisError, OSError):
            return False  # and the load's answer is lost; the next call says what is wrong
        return True

    def mark_load(self, opened: OpenPartition, expected: bytes, new: bytes) -> bytes:
        """Change the mark of a load, if it is *expected*, and return the mark found; see the script MARK."""
        offset = layout.offset_text(opened.changelog_offset)
        with self.answers(f"store, partition {opened.number}"):
            outcome, *found = scripts.MARK.call(
                self._client, opened.keys, [self._owner, layout.ANCHOR, offset, expected, new]
            )
        if outcome == b"moved":
            check_expected(opened.number, layout.read_offset(found[0]), opened.changelog_offset)
        elif outcome != b"done":
            raise lost(opened.number, is_taken=outcome == b"taken")
        return bytes(found[0])

    def settle(self, opened: OpenPartition | None = None) -> None:
        """Take the answer to the load that is on its way, whosesoever, and repeat one of *opened* that was lost."""
        waiting, self._on_its_way = self._on_its_way, None
        if waiting is not None and waiting.sent_load is not None:
            offsets, _ = waiting.sent_load
            try:
                answer = self._client.receive()
            except (RedisError, OSError):
                self._client.disconnect()  # the next call for that partition repeats it, and says what is wrong
            else:
                waiting.sent_load = None
                self._judge(waiting, offsets, answer, is_repeated=False)
        if opened is not None and opened.sent_load is not None:
            self.write(opened, *opened.sent_load)
            opened.sent_load = None

    def forget(self, opened: OpenPartition) -> None:
        """Hear that *opened* is closed: what it has sent is answered to nobody."""
        if opened is self._on_its_way:
            self._on_its_way = None
            self._client.disconnect()

    @contextmanager
    def answers(self, what: str) -> Iterator[None]:
        """Turn what the client raises into our errors; after one of time, the next call connects anew, as the name then says."""
        try:
            yield
        except (RedisError, OSError) as error:
            raised = translated(error, self._address, what)
            if isinstance(raised, StoreUnavailable):
                self._client.disconnect()
            raise raised from None  # the client's errors may repeat the command, and with it keys of contacts
