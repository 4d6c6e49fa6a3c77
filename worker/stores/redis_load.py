"""
A restore into an empty partition: rows first, then the due index in one pass over what is left by then.

The server works while we do: a part is sent without waiting, and the next call takes its answer. The pass asks for more rows
behind the due entries that it has just sent, and works on those it has.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Mapping
from typing import Any

from worker.stores import redis_layout as layout
from worker.stores.base import DueOf
from worker.stores.checks import check_expected, not_open
from worker.stores.redis_arguments import due_arguments, load_arguments
from worker.stores.redis_connection import Client
from worker.stores.redis_writes import Offsets, OpenPartition, Writes

_LOADED_AT_ONCE = 2_000

_Found = tuple[bytes, list[bytes]]
"""The cursor to go on from, and fields and values in turns."""


class Loads:
    """
    Loads of the partitions of one server.

    Args:
        client: The connection.
        writes: Sends the parts, and takes their answers.
    """

    def __init__(self, client: Client, writes: Writes) -> None:
        self._client = client
        self._writes = writes

    def add(self, opened: OpenPartition, rows: Mapping[bytes, bytes | None], due_of: DueOf, offsets: Offsets) -> None:
        """Send *rows*, once what was sent before is written; raises what *due_of* raises, and has then sent nothing."""
        if opened.sent_load is not None and opened.sent_load[0] == offsets:  # it could not be sent, and is repeated
            self._writes.settle(opened)
            return
        check_expected(opened.number, opened.changelog_offset, offsets[0])
        for key, value in rows.items():
            if value is not None:
                due_of(key, value)  # raises for what is no row
        arguments = load_arguments(offsets, rows)
        self._writes.settle(opened)
        self._writes.send_load(opened, offsets, arguments)

    def end(self, opened: OpenPartition, due_of: DueOf) -> Generator[None]:
        """
        Make the due index; nothing of *opened* is on its way.

        A pass that has lost its connection is made again: the cursor of a scan means nothing to a server that has restarted, or
        to the replica that took its place, and contacts would be left out.
        """
        while opened.is_loading and opened.changelog_offset is not None:
            lost = self._client.lost
            mark = self._begin_pass(opened)
            if mark is not None:
                yield from self._pass(opened, due_of, lost)
                if self._client.lost != lost:
                    continue
                self._writes.mark_load(opened, mark, b"")
            opened.is_loading = False

    def _begin_pass(self, opened: OpenPartition) -> bytes | None:
        """
        Empty the due index and return the mark of the pass; None: the load had ended, and only the answer was lost.

        What an earlier pass has sent and the network still holds expects another mark, and changes nothing.
        """
        expected, mark = layout.LOADED, secrets.token_hex(8).encode()
        while (found := self._writes.mark_load(opened, expected, mark)) != expected:
            if not found:
                return None
            expected = found
        return mark

    def _pass(self, opened: OpenPartition, due_of: DueOf, lost: int) -> Generator[None]:
        """Write the due entries of all rows, or stop when more connections are gone than *lost*."""
        offset, start = opened.changelog_offset or 0, len(layout.CONTACT)
        cursor, found = self._more(opened, b"0", is_asked=False)
        while self._client.lost == lost:
            is_last = cursor == b"0"
            is_asked = not is_last and self._writes.sends_behind(*_scan(opened, cursor))
            pairs = zip(found[::2], found[1::2], strict=True)
            rows = ((field[start:], value) for field, value in pairs if field.startswith(layout.CONTACT))
            dues = [layout.due_member(at_ms, key) for key, value in rows if (at_ms := due_of(key, value)) is not None]
            arguments = due_arguments(offset, sorted(dues))  # neighbours go in faster
            self._writes.settle(opened)
            if self._client.lost != lost:
                return
            if not is_last:
                cursor, found = self._more(opened, cursor, is_asked=is_asked)
            self._writes.send_load(opened, (offset, offset), arguments)
            if is_last:
                self._writes.settle(opened)
                return
            yield
            if opened.is_closed:
                raise not_open(opened.number)

    def _more(self, opened: OpenPartition, cursor: bytes, *, is_asked: bool) -> _Found:
        with self._writes.answers(f"store, partition {opened.number}"):
            cursor, found = self._client.receive() if is_asked else self._client.call(*_scan(opened, cursor))
        return cursor, found


def _scan(opened: OpenPartition, cursor: bytes) -> tuple[Any, ...]:
    return ("HSCAN", opened.keys.contacts, cursor, "COUNT", _LOADED_AT_ONCE)
