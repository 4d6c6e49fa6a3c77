"""
Stored bytes of each layout, kept: what a released version wrote must be read by every later one.

`golden/layout-1.json` holds the models, and values in hex under names. A change that alters these bytes needs a new layout, a new file
beside this one, and a decoder for both; never a new value here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, SmallRecord, drained, event_value, nothing_stored, small_partition
from worker.pipeline import PARTITION_KEY, Partition, decode_partition_row, fence_of, fire_of
from worker.pipeline.graves import contact_of_grave
from worker.pipeline.rows import encode_partition_row, load_lineage
from worker.scoring.codec import decode_contact, encode_contact
from worker.scoring.contact import Contact, ModelState
from worker.scoring.history import unpack_id
from worker.scoring.latch import Latch, Status
from worker.scoring.matching import Matcher
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model
from worker.scoring.reading import read

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "layout-1.json").read_text("utf-8"))
MODEL = parse_model(json.dumps(GOLDEN["model"]))
FULL = parse_model(json.dumps(GOLDEN["full model"]))
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


BY_HAND = {"reason": "fair", "group": "trust"}
# One of each: lots, a pool, percent, instants seen, attributes (also removed), points by hand, an answer of sales, open conditions.
EVERYTHING = [
    act(0, "read", START, "r1", "eve"),
    act(1, "read", START + 2 * DAY, "r2", "eve"),
    act(2, "watch", START + DAY, "w", "eve"),
    act(3, "join", START + DAY + 1, "j", "eve"),
    act(4, "contact.updated", START + DAY, "u1", "eve", title="CEO", size=2**70, note="x", ignored=1),
    act(5, "contact.updated", START + 2 * DAY, "u2", "eve", note=None, plan={"name": "big", "seats": [1, None, 2.5]}),
    act(6, "score.adjusted", START + DAY, "a1", "eve", points=7.25, **BY_HAND),
    act(7, "score.adjusted", START + DAY, "a2", "eve", points=-2, expires_at="2027-01-01T00:00:00Z", **BY_HAND),
    act(8, "read", START + 12 * DAY, "r3", "eve"),
    act(9, "visit", START + 12 * DAY + 3, "v", "eve"),
    act(10, "contact.updated", START + 12 * DAY + 2, "u3", "eve", size=-0.5, note="back"),
    act(11, "score.adjusted", START + 12 * DAY + 3, "a3", "eve", points=3, expires_at=START + 30 * DAY, **BY_HAND),
    act(12, "sales.lost", START + 12 * DAY + 4, "l", "eve"),
]
ERASED = [act(0, "read", START, "r", "zoe"), act(1, "contact.erased", START + DAY, "e", "zoe")]


def partition(*models: Model) -> Partition:
    return small_partition(*models, partition=0, epoch=2, erasure_key=b"golden")


def written(*records: SmallRecord, model: Model = MODEL) -> dict[bytes, bytes]:
    one = partition(model)
    one.fold(records, nothing_stored)
    return drained(one).puts


def stored(name: str) -> bytes:
    return bytes.fromhex(GOLDEN["values"][name])


def contact_of(value: bytes, model: Model = MODEL) -> tuple[Contact, ModelState]:
    contact = decode_contact(value, [model], [Matcher(model)])
    state = contact.models[0]
    assert state is not None
    return contact, state


@pytest.mark.parametrize(
    ("name", "model", "records", "key"),
    [("busy", MODEL, BUSY, b"ann"), ("small", MODEL, SMALL, b"bob"), ("everything", FULL, EVERYTHING, b"eve")],
    ids=["busy", "small", "everything"],
)
def test_contact_is_still_written_as_it_was_released(
    name: str, model: Model, records: list[SmallRecord], key: bytes
) -> None:
    assert written(*records, model=model)[key].hex() == GOLDEN["values"][name]


@pytest.mark.parametrize(("name", "model"), [("busy", MODEL), ("small", MODEL), ("everything", FULL)])
def test_released_contact_is_read_and_written_again_byte_for_byte(name: str, model: Model) -> None:
    contact, _ = contact_of(stored(name), model)
    assert encode_contact(contact, [model], contact.stored_fire_ms) == stored(name)


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
    assert puts[b"\x00model:golden:1"].hex() == GOLDEN["values"]["model row"]


def test_released_partition_row_is_read_and_written_again_byte_for_byte() -> None:
    row = decode_partition_row(stored("partition row"))
    assert (row.next_offset, row.epoch, row.newest_ms, row.time_ms) == (10, 2, START + 13 * DAY, None)
    check = blake2b(b"leadscore erasure check", key=b"golden", digest_size=8).digest()
    assert (row.mode, row.erasure_check, row.revision) == ("stream", check, 1)
    assert (row.older, row.carried_to) == ({}, b"")
    assert row.models == {"golden": (1, bytes.fromhex(MODEL.digest[:16]))}
    assert encode_partition_row(row) == stored("partition row")
    again = small_partition(MODEL, epoch=2, erasure_key=b"golden", row=stored("partition row"))
    assert again.next_offset == 10


def test_released_contact_of_every_form_means_what_it_meant() -> None:
    """
    Worked by hand; day 0 is START, the evaluation on day 12.

    interest: reads of 9 on days 0, 2 and 12, linear over 90 d: 9 * (78/90 + 80/90 + 1) = 24.8; a watch of 50, 2 % a midnight,
    11 midnights. loyalty: a join of 20, one a day since day 1: 9, less 4 by the lost deal. trust: 7.25 for good, -2 until 2027,
    3 until day 30, and 10 for the title. The visit counts 5 by its attribute.
    """
    _, state = contact_of(stored("everything"), FULL)
    fold = state.history.head(FULL)
    assert fold.attributes == {
        "title": "CEO", "size": -0.5, "note": "back", "plan": {"name": "big", "seats": [1, None, 2.5]},
    }  # fmt: skip
    assert state.history.base is not None
    assert state.history.base.attributes["size"] == 2**70
    reading = read(FULL, fold, START + 12 * DAY + 4)
    values = dict(zip([group.name for group in FULL.groups], reading.groups, strict=True))
    assert values == {
        "engagement": 5.0,
        "interest": pytest.approx(24.8 + 50 * 0.98**11, abs=1e-9),
        "loyalty": 5.0,
        "trust": 18.25,
    }
    assert reading.facts.seen == (True,)


def test_released_gravestone_is_still_written_and_found() -> None:
    """Under the same key: a contact that was erased years ago must not come back by an upgrade."""
    puts = written(*ERASED, model=FULL)
    key = b"\x01" + blake2b(b"zoe", key=b"golden", digest_size=16).digest()
    assert puts[key].hex() == GOLDEN["values"]["gravestone"]
    assert b"zoe" not in puts
    grave = contact_of_grave(stored("gravestone"), 1)
    assert (grave.erased_ms, tuple(grave.fence)) == (START + DAY, (2, 1, 0))


def test_released_content_of_a_model_gives_that_model_again() -> None:
    """A later version takes over its states by it."""
    lineage = load_lineage({"golden": [1]}, lambda keys: [stored("model row") for _ in keys], "here")
    older = lineage.find(replace(MODEL, version=2), 1)
    assert older is not None
    assert (older.model.digest, older.model.content) == (MODEL.digest, MODEL.content)


def test_digest_of_the_model_is_that_of_its_sorted_json() -> None:
    """If this fails, every deployment refuses its own state. Sorted keys, no spaces, no defaults filled in."""
    content = json.dumps(GOLDEN["model"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert sha256(content).hexdigest() == MODEL.digest
