"""One round as the arguments of the script that writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from worker.errors import ConfigError
from worker.stores import redis_layout as layout
from worker.stores.base import DueChange

_MOST_ARGUMENTS = 1_000_000
"""Redis 6.2 takes 1,048,576 in one command."""


def write_arguments(
    offsets: tuple[int | None, int],
    puts: Mapping[bytes, bytes],
    deletes: Iterable[bytes],
    due: Iterable[DueChange],
) -> list[Any]:
    """
    Return the arguments of the script WRITE after owner and anchor.

    Args:
        offsets: The changelog offset expected and the new one.
        puts: Values by key.
        deletes: Keys.
        due: Changes of the due index; of several of one entry the last counts.

    Raises:
        ConfigError: the round has more parts than the server takes in one command.
    """
    is_due: dict[bytes, bool] = {}
    for key, old_ms, new_ms in due:
        if old_ms is not None:
            is_due[layout.due_member(old_ms, key)] = False
        if new_ms is not None:
            is_due[layout.due_member(new_ms, key)] = True
    removed = [member for member, stays in is_due.items() if not stays]
    added = [member for member, stays in is_due.items() if stays]
    return _packed(offsets, _fields(puts), [layout.CONTACT + key for key in deletes], removed, added)


def load_arguments(offsets: tuple[int | None, int], rows: Mapping[bytes, bytes | None]) -> list[Any]:
    """Return the same for *rows* of a restore (None: delete), which also mark the partition as being loaded."""
    puts = {key: value for key, value in rows.items() if value is not None}
    gone = [layout.CONTACT + key for key, value in rows.items() if value is None]
    return _packed(offsets, [*_fields(puts), layout.LOADING, layout.LOADED], gone, [], [])


def due_arguments(offset: int, added: list[bytes]) -> list[Any]:
    """Return the same for due entries of what was loaded up to *offset*."""
    return _packed((offset, offset), [], [], [], added)


def _fields(puts: Mapping[bytes, bytes]) -> list[bytes]:
    fields: list[bytes] = []
    for key, value in puts.items():
        fields += (layout.CONTACT + key, value)
    return fields


def _packed(
    offsets: tuple[int | None, int], rows: list[bytes], gone: list[bytes], removed: list[bytes], added: list[bytes]
) -> list[Any]:
    count = len(rows) + len(gone) + len(removed) + 2 * len(added)
    if count > _MOST_ARGUMENTS:
        raise ConfigError(
            where="LEADSCORE_ROUND_EVENTS, LEADSCORE_ROUND_BYTES",
            problem=f"a round of {len(rows) // 2} rows is more than Redis takes in one step",
            fix="lower LEADSCORE_ROUND_BYTES; nothing is lost",
        )
    expected, new = offsets
    head = [layout.offset_text(expected), layout.offset_text(new), len(rows), len(gone), len(removed)]
    scored: list[bytes] = [b"0"] * (2 * len(added))
    scored[1::2] = added
    return [*head, *rows, *gone, *removed, *scored]
