"""
Stored bytes of each layout, kept: what a released version wrote must be read by every later one.

`golden/layout-1.json` holds the model, and values in hex under names. A change that alters these bytes needs a new layout, a new file
beside this one, and a decoder for both; never a new value here.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, SmallRecord, drained, event_value, nothing_stored, small_partition
from worker.pipeline import PARTITION_KEY, Partition, decode_partition_row, fence_of, fire_of
from worker.pipeline.rows import encode_partition_row
from worker.scoring.codec import decode_contact, encode_contact
from worker.scoring.contact import Contact, ModelState
from worker.scoring.history import unpack_id
from worker.scoring.matching import Matcher
from worker.scoring.model_file import parse_model
from worker.scoring.qualification import Latch, Status
from worker.scoring.reading import read

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "layout-1.json").read_text("utf-8"))
MODEL = parse_model(json.dumps(GOLDEN["model"]))
UUID = "0195e6e8-0000-7000-8000-00000000000a"


def act(
    offset: int, event_type: str, at_ms: int, event_id: str, contact: str = "ann", **properties: Any
) -> SmallRecord:
    return SmallRecord(
        offset, event_value(event_type, at_ms, event_id, contact=contact, **properties), contact.encode()
    )


BUSY = [
    act(0, "visit", START, "1"),
    act(1, "form", START + HOUR, UUID, form="news"),
    act(2, "call", START + 2 * HOUR, "call \u00e9", score=1.5),
    act(3, "visit", START - 10 * DAY, "late"),
    act(4, "sales.rejected", START + 5 * HOUR, "no", reason="budget"),
    act(5, "form", START + 12 * DAY, "form 2", form=2**70),
    act(6, "complaint", START + 12 * DAY, "oh"),
    act(7, "visit", START + 13 * DAY, "again"),
    act(8, "other", START + 13 * DAY, "life"),
]
SMALL = [act(9, "visit", START, "1", "bob")]


def partition() -> Partition:
    return small_partition(MODEL, partition=0, epoch=2, erasure_check=b"check")


def written(*records: SmallRecord) -> dict[bytes, bytes]:
    one = partition()
    one.fold(records, nothing_stored)
    return drained(one).puts


def stored(name: str) -> bytes:
    return bytes.fromhex(GOLDEN["values"][name])


def contact_of(value: bytes) -> tuple[Contact, ModelState]:
    contact = decode_contact(value, [MODEL], [Matcher(MODEL)])
    state = contact.models[0]
    assert state is not None
    return contact, state


@pytest.mark.parametrize(("name", "records", "key"), [("busy", BUSY, b"ann"), ("small", SMALL, b"bob")])
def test_contact_is_still_written_as_it_was_released(name: str, records: list[SmallRecord], key: bytes) -> None:
    assert written(*records)[key].hex() == GOLDEN["values"][name]


@pytest.mark.parametrize("name", ["busy", "small"])
def test_released_contact_is_read_and_written_again_byte_for_byte(name: str) -> None:
    contact, _ = contact_of(stored(name))
    assert encode_contact(contact, [MODEL], contact.stored_fire_ms) == stored(name)


def test_released_contact_means_what_it_meant() -> None:
    """
    The busy contact, worked by hand; day 0 is START.

    The late visit and that of day 0 fell to the rejection's reset, as did form `news` and the call. Then on day 12 form 20 and
    complaint -7.25 (half-life 90 d), on day 13 a visit of 16 (its limit, one in 3 d, is free again). The rejection took 5.
    """
    contact, state = contact_of(stored("busy"))
    assert tuple(contact.fence) == (2, 8, 0)
    assert fence_of(stored("busy")) == contact.fence
    assert fire_of(stored("busy")) == START + 13 * DAY + 30 * DAY + 3 * DAY  # 30 d idle, 3 d lateness
    assert [unpack_id(entry.id) for entry in state.history.journal] == ["form 2", "oh", "again", "life"]
    assert len(state.history.late_ids) == 1
    assert state.history.base is not None
    reading = read(MODEL, state.history.head(MODEL), START + 13 * DAY)
    assert reading.score == pytest.approx(20 - 7.25 * 2 ** (-1 / 90) + 16 - 5, abs=1e-12)
    assert state.evaluated_ms == START + 13 * DAY


def test_released_latch_is_read_field_by_field() -> None:
    _, state = contact_of(stored("busy"))
    assert state.latch == Latch(
        status=Status.OPEN,  # ready by the call, resting by the rejection, woken by the form
        sequence=1,
        first_ready_ms=START + 2 * HOUR,
        last_ready_ms=START + 2 * HOUR,
        told_ms=START + 5 * HOUR,
        told_score=-5.0,
        told_tier=0,
    )


def test_small_contact_of_a_release_is_read() -> None:
    contact, state = contact_of(stored("small"))
    assert (tuple(contact.fence), state.latch) == ((2, 9, 0), Latch())
    assert [(entry.at_ms, entry.id) for entry in state.history.journal] == [(START, "1")]
    assert read(MODEL, state.history.head(MODEL), START).score == 16.0


def test_partition_row_is_still_written_as_it_was_released() -> None:
    puts = written(*BUSY, *SMALL)
    assert puts[PARTITION_KEY].hex() == GOLDEN["values"]["partition row"]
    assert puts[b"\x00model:golden"].hex() == GOLDEN["values"]["model row"]


def test_released_partition_row_is_read_and_written_again_byte_for_byte() -> None:
    row = decode_partition_row(stored("partition row"))
    assert (row.next_offset, row.epoch, row.newest_ms, row.time_ms) == (10, 2, START + 13 * DAY, None)
    assert (row.mode, row.erasure_check, row.revision) == ("stream", b"check", 1)
    assert row.models == {"golden": (1, bytes.fromhex(MODEL.digest[:16]))}
    assert encode_partition_row(row) == stored("partition row")
    assert small_partition(MODEL, epoch=2, erasure_check=b"check", row=stored("partition row")).next_offset == 10


def test_digest_of_the_model_is_that_of_its_sorted_json() -> None:
    """If this fails, every deployment refuses its own state. Sorted keys, no spaces, no defaults filled in."""
    content = json.dumps(GOLDEN["model"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert sha256(content).hexdigest() == MODEL.digest
