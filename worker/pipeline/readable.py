"""Rows of the changelog as a restore sees them: when they are due, and whether they are rows of ours at all."""

from __future__ import annotations

import msgspec

from worker.errors import StateError
from worker.pipeline.graves import FIRST_CONTACT_BYTE
from worker.pipeline.rows import PARTITION_KEY, decode_partition_row
from worker.scoring.codec import check_body, fence_of


def due_of(key: bytes, value: bytes) -> int | None:
    """
    Return when the contact *key* with the stored *value* wants to be woken; None: never, and for what is no contact.

    The value is read as far as into its parts; whether these say something sensible is found when they are used.

    Raises:
        StateError: this is no row that a worker writes.
    """
    try:
        if key[0] >= FIRST_CONTACT_BYTE:
            return check_body(value)
        if key == PARTITION_KEY:
            decode_partition_row(value)
        else:
            fence_of(value)
    except StateError as error:
        raise _unreadable(str(error.fields["problem"])) from None
    except (TypeError, IndexError):  # no key
        raise _unreadable("a row has no key") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _unreadable("a value begins like ours, and is none") from None
    return None


def _unreadable(problem: str) -> StateError:
    return StateError(
        where="changelog",
        problem=f"{problem}: what is stored there cannot be trusted",
        fix="run the version that wrote it, or a later one; if it was somebody else, see who may write to this topic",
    )
