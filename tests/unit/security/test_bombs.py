"""Records made to hurt: each meets a typed fate, with nothing of it in the answer, and its neighbours do not notice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.small import (
    DAY,
    MINUTE,
    START,
    SmallRecord,
    drained,
    event_value,
    nothing_stored,
    rule,
    small_model,
    small_partition,
    told,
)
from worker.contracts.instants import parse_instant

MODEL = small_model(rule("act", 10), qualify={"when": {"score": {"at_least": 20}}}, lateness="1h")
FAR = parse_instant("2099-12-31T00:00:00Z")
CANARY = "canary-4711"


def event(**fields: Any) -> bytes:
    whole = {"id": "bomb", "contact_id": "c", "type": "act", "occurred_at": START, "properties": {"mail": CANARY}}
    return json.dumps(whole | fields).encode()


def with_raw(text: str) -> bytes:
    return event(properties="@").replace(b'"@"', text.encode("utf-8", "surrogatepass"))


BOMBS: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "event.null_value"),
    "a byte too many": (b" " * (256 * 1024 + 1), "event.too_large"),
    "10 MB of text": (event(properties={"x": "x" * 10_000_000}), "event.too_large"),
    "100,000 properties": (event(properties={str(n): n for n in range(100_000)}), "event.too_large"),
    "100,000 levels of arrays": (with_raw("[" * 100_000 + "]" * 100_000), "event.too_deep"),
    "100,000 levels, never closed": (b'{"id":' + b"[" * 100_000, "event.too_deep"),
    "33 levels": (with_raw('{"a":' * 32 + "1" + "}" * 32), "event.too_deep"),
    "NaN": (with_raw('{"x": NaN}'), "event.bad_field"),
    "Infinity": (with_raw('{"x": -Infinity}'), "event.bad_field"),
    "1e999": (with_raw('{"x": 1e999}'), "event.bad_field"),
    "an integer of 200,000 digits": (with_raw('{"x": ' + "9" * 200_000 + "}"), "event.bad_field"),
    "a lone surrogate": (with_raw('{"x": "\ud800"}'), "event.not_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + event(), "event.not_json"),
    "UTF-16": (event().decode().encode("utf-16"), "event.not_json"),
    "trailing data": (event() + b"{}", "event.not_json"),
    "an array": (b"[" + event() + b"]", "event.not_object"),
    "an id of an object": (event(id={"$ne": 1}), "event.bad_field"),
    "an id of 129 bytes": (event(id="x" * 129), "event.bad_field"),
    "a NUL in the contact's id": (event(contact_id="c\x00"), "event.bad_field"),
    "another contact's key": (event(contact_id="somebody-else"), "event.key_mismatch"),
    "the year 0": (event(occurred_at="0000-01-01T00:00:00Z"), "event.bad_time"),
    "the year 292,277,026,596": (event(occurred_at=2**63 - 1), "event.bad_time"),
    "points beyond all measure": (
        event(type="score.adjusted", properties={"points": 1e300, "reason": "x"}), "event.bad_field",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_dead_lettered_as_received_between_neighbours_that_count(name: str) -> None:
    value, code = BOMBS[name]
    partition = small_partition(MODEL)
    good = [SmallRecord(number, event_value("act", START + number, f"good {number}")) for number in (0, 2)]
    partition.fold([good[0], SmallRecord(1, value), good[1]], nothing_stored)
    outputs = drained(partition).outputs
    (letter,) = [one for one in outputs if one.topic == "refused"]
    assert (letter.key, letter.value) == (b"c", value)
    headers = dict(letter.headers)
    assert headers["leadscore.error.code"] == code.encode()
    texts = [text or b"" for text in headers.values()]
    assert CANARY.encode() not in b"".join(texts)
    assert all(len(text) < 1_000 for text in texts), "an answer is short, whatever was sent"
    assert [kind for kind, *_ in told(outputs)] == ["lead.sales_ready"], "its neighbours are worth 20"


HARMLESS: dict[str, bytes] = {
    "ids that differ beyond a double": event(properties={"order": 2**64 + 1}),
    "negative zero": with_raw('{"x": -0.0}'),
    "right-to-left and look-alikes": event(properties={"name": "\u202egnp.exe \u0430dmin"}),
    "a NUL in a property": event(properties={"x": "a\x00b"}),
    "the same key twice": with_raw('{"x": 1, "x": 2}'),
    "keys of an object's own": event(properties={"__proto__": 1, "constructor": 2, "__class__": "x"}),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_dangerous_is_an_event(name: str) -> None:
    partition = small_partition(MODEL)
    partition.fold([SmallRecord(0, HARMLESS[name])], nothing_stored)
    assert not [one for one in drained(partition).outputs if one.topic == "refused"]


def test_an_event_from_the_far_future_neither_moves_time_nor_fades_points() -> None:
    """If this fails, one event of 2099 makes every contact cold, and all later events late."""
    fading = small_model(
        rule("act", 30, decay={"half_life": "1d"}), qualify={"when": {"score": {"at_least": 20}}}, lateness="1h"
    )
    partition = small_partition(fading, clamp=True)
    partition.fold([SmallRecord(0, event_value("act", FAR, "far"), timestamp=START)], nothing_stored)
    outputs = drained(partition).outputs
    assert [(kind, round(score)) for kind, _, _, score in told(outputs)] == [("lead.sales_ready", 30)]
    assert partition.newest_ms is not None
    assert partition.newest_ms <= START + 5 * MINUTE < FAR - 365 * DAY
