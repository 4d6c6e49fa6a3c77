"""A stored value that looks like one of ours and is none ends the worker for good, and says where and what to do."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from tests.support.small import (
    START,
    SmallRecord,
    drained,
    event_value,
    nothing_stored,
    rule,
    small_model,
    small_partition,
)
from worker.errors import StateError
from worker.pipeline.graves import grave_key
from worker.pipeline.rows import GRAVES_KEY
from worker.scoring.codec import body_of, pack_header
from worker.scoring.contact import Fence

MODEL = small_model(rule("act", 60), lateness="3d")
CONTACT = b"jane@example.org"
HEADER = pack_header(Fence(0, 0, 0), None)


def record(offset: int) -> SmallRecord:
    return SmallRecord(offset, event_value("act", START + offset, f"id {offset}", contact=CONTACT.decode()), CONTACT)


def sound_state() -> list[object]:
    """Return the state of a contact as it lies in a value."""
    partition = small_partition(MODEL)
    partition.fold([record(0)], nothing_stored)
    value = drained(partition).puts[CONTACT]
    state: list[object] = msgspec.msgpack.decode(body_of(value))[MODEL.name]
    return state


def damaged(place: int, content: object) -> bytes:
    state = sound_state()
    state[place] = content
    return HEADER + msgspec.msgpack.encode({MODEL.name: state})


@pytest.mark.parametrize(
    "value",
    [
        HEADER + b"\xc1",
        HEADER + msgspec.msgpack.encode({MODEL.name: []}),
        HEADER + msgspec.msgpack.encode({MODEL.name: 7}),
        HEADER + msgspec.msgpack.encode({"": "yesterday"}),
        damaged(1, "yesterday"),
        damaged(3, 7),
        damaged(4, b"\x00"),
        damaged(5, [9_999]),
        damaged(7, ["no latch"]),
        b"\x07" + HEADER[1:],
    ],
    ids=[
        *(
            "no body",
            "empty",
            "a number",
            "erased at no instant",
            "newest instant",
            "ids",
            "instants",
            "codes",
            "latch",
        ),
        "layout",
    ],
)
def test_damage_inside_a_value_is_the_operators_and_names_its_partition(value: bytes) -> None:
    """If this fails, the supervisor starts the worker again and again, and nobody is told what to do."""
    partition = small_partition(MODEL)
    with pytest.raises(StateError, match=r"\[0\]") as caught:
        partition.fold([record(1)], lambda keys: [value if key == CONTACT else None for key in keys])
    assert caught.value.exit_code == 78
    assert caught.value.fields["fix"]
    assert "jane" not in str(caught.value)


def test_a_damaged_gravestone_is_told_alike() -> None:
    def stored(keys: Sequence[bytes]) -> list[bytes | None]:
        held = {GRAVES_KEY: HEADER, grave_key(CONTACT, b""): HEADER + b"\xc1"}
        return [held.get(key) for key in keys]

    partition = small_partition(MODEL, get_many=stored)
    with pytest.raises(StateError, match=r"\[0\].*cannot be read"):
        partition.fold([record(1)], stored)
