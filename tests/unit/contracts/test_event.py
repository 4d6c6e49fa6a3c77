"""An event is read the same way whichever path it takes, and nothing that is no event passes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.contracts.event import RESERVED_TYPES, Event
from worker.contracts.event_decoding import decode_event
from worker.contracts.event_examination import depth_of, examine
from worker.errors import EventRefused

INSTANT = "2026-03-29T22:30:00.123Z"
INSTANT_MS = 1_774_823_400_123
USUAL = (
    b'{"id":"evt-1","contact_id":"c-1","type":"page.viewed","occurred_at":"2026-03-29T22:30:00.123Z","source":"web",'
    b'"machine":true,"properties":{"n":1,"x":[1.5,-0.0,1e5,"\\u00e9\\ud83d\\ude00",null,true,{"k":"v"}]},"extra":{"y":[1]}}'
)


def written(**fields: Any) -> bytes:
    return json.dumps(
        {"id": "evt-1", "contact_id": "c-1", "type": "page.viewed", "occurred_at": INSTANT, **fields}
    ).encode()


def refusal(value: bytes | None, key: bytes | None = None) -> tuple[str, str]:
    with pytest.raises(EventRefused) as refused:
        decode_event(value, key)
    return refused.value.event_code, refused.value.path


def test_usual_event_is_read_field_by_field() -> None:
    assert decode_event(USUAL, b"c-1") == Event(
        id="evt-1",
        contact_id="c-1",
        type="page.viewed",
        occurred_at=INSTANT_MS,
        source="web",
        machine=True,
        properties={"n": 1, "x": [1.5, -0.0, 100_000.0, "é😀", None, True, {"k": "v"}]},
    )


def test_integers_keep_all_their_digits_when_they_exceed_64_bits() -> None:
    """Order numbers are once-keys: two that differ in the last digit are two orders."""
    numbers = [2**63, 2**64, 2**64 + 1, -(2**63) - 1, 10**300 + 7]
    event = decode_event(written(properties={"numbers": numbers}), None)
    assert event.properties["numbers"] == numbers


def test_integers_and_floats_stay_apart() -> None:
    properties = decode_event(written(properties={"a": 1, "b": 1.0}), None).properties
    assert [type(properties[name]) for name in "ab"] == [int, float]


@pytest.mark.parametrize("digits", [308, 309])
def test_integer_is_taken_while_a_double_can_hold_it(digits: int) -> None:
    value = int("1" * digits)
    assert decode_event(written(properties={"n": value}), None).properties == {"n": value}


@pytest.mark.parametrize(
    "literal",
    ["9" * 309, "1" + "0" * 309, "9" * 5000, "-" + "9" * 309, "1e309", "-1e309", "NaN", "Infinity", "-Infinity"],
)
@pytest.mark.parametrize("padding", [0, 1, 63, 64, 500])
def test_number_is_refused_when_a_double_cannot_hold_it(literal: str, padding: int) -> None:
    """A comparison with it would raise in the middle of scoring, and so stop the partition."""
    value = written(properties={"pad": "x" * padding, "n": "N"}).replace(b'"N"', literal.encode())
    assert refusal(value) == ("event.bad_field", "$.properties.n")


def test_digits_in_text_are_no_number() -> None:
    assert decode_event(written(properties={"n": "9" * 5000}), None).properties == {"n": "9" * 5000}


def test_number_is_ignored_with_the_field_that_nobody_reads() -> None:
    for literal in (b"1e999", b"NaN", b"9" * 400):
        assert decode_event(written(extra="N").replace(b'"N"', literal), None).id == "evt-1"


def test_last_of_a_repeated_key_counts_whatever_the_first_was() -> None:
    value = b'{"id":1,"contact_id":"x","type":null,"occurred_at":true,"properties":{"n":NaN,"n":1},' + written()[1:-1]
    event = decode_event(value + b',"machine":"no","machine":true}', b"c-1")
    assert (event.id, event.contact_id, event.type, event.occurred_at, event.machine) == (
        "evt-1",
        "c-1",
        "page.viewed",
        INSTANT_MS,
        True,
    )
    assert event.properties == {"n": 1}


def test_null_of_an_optional_field_is_as_if_it_were_missing() -> None:
    assert decode_event(written(source=None, machine=None, properties=None), None) == decode_event(written(), None)


def test_properties_of_two_events_are_never_one_object() -> None:
    assert decode_event(written(), None).properties is not decode_event(written(), None).properties


@pytest.mark.parametrize("size", [262_144, 262_145])
def test_size_is_bounded_to_256_kib(size: int) -> None:
    value = written() + b" " * (size - len(written()))
    if size == 262_144:
        assert decode_event(value, None).id == "evt-1"
    else:
        assert refusal(value) == ("event.too_large", "$")


@pytest.mark.parametrize("opening", ["[", '{"a":', '["]", '])
@pytest.mark.parametrize("field", ["properties", "extra"])
def test_depth_is_bounded_to_32_levels(opening: str, field: str) -> None:
    closing = "]" if opening[0] == "[" else "}"

    def nested(levels: int) -> bytes:
        inner = opening * (levels - 2) + "0" + closing * (levels - 2)
        return written(**{field: {"x": "N"}}).replace(b'"N"', inner.encode())

    assert decode_event(nested(32), None).id == "evt-1"
    assert refusal(nested(33)) == ("event.too_deep", "$")


def test_many_shallow_objects_are_not_deep() -> None:
    """An order of a hundred lines is an event."""
    lines = [{"sku": n, "note": "[[[{{{"} for n in range(100)]
    assert decode_event(written(properties={"lines": lines}), None).properties == {"lines": lines}


@pytest.mark.parametrize(
    ("value", "depth"),
    [
        (b"", 0),
        (b"1", 0),
        (b"[]", 1),
        (b"[[],[[]]]", 3),
        (b'"[[["', 0),
        (b'["\\"[[", []]', 2),
        (b'["\\\\", []]', 2),
        (b'[ "unterminated [[[', 1),
        (b"]]][", 0),
    ],
)
def test_depth_counts_brackets_outside_of_strings(value: bytes, depth: int) -> None:
    assert depth_of(value) == depth


@pytest.mark.parametrize("name", ["id", "contact_id", "type"])
@pytest.mark.parametrize(
    ("text", "fits"),
    [("a" * 128, True), ("é" * 64, True), ("😀" * 32, True), ("a" * 129, False), ("é" * 65, False), ("😀" * 33, False)],
)
def test_ids_are_bounded_in_bytes_however_they_are_written(name: str, text: str, fits: bool) -> None:
    escaped, plain = (
        written(**{name: text}),
        json.dumps(json.loads(written(**{name: text})), ensure_ascii=False).encode(),
    )
    for value in (escaped, plain):
        if fits:
            assert getattr(decode_event(value, None), name) == text
        else:
            assert refusal(value) == ("event.bad_field", f"$.{name}")


@pytest.mark.parametrize("character", [chr(n) for n in (*range(0x20), *range(0x7F, 0xA0))])
def test_contact_id_has_no_control_character(character: str) -> None:
    """Such keys are the worker's own rows, or break a log line."""
    assert refusal(written(contact_id=f"a{character}b")) == ("event.bad_field", "$.contact_id")


@pytest.mark.parametrize("character", ["\u00a0", "\u200f", "\u2028", "\u3000", "\ufeff", "\ue000", "|"])
def test_contact_id_may_have_any_other_character(character: str) -> None:
    contact_id = f"a{character}b"
    assert decode_event(written(contact_id=contact_id), contact_id.encode()).contact_id == contact_id


def test_key_may_be_absent_but_not_another() -> None:
    assert decode_event(written(), None) == decode_event(written(), b"c-1")
    for key in (b"", b"c-2", b"C-1", b'"c-1"', b"c-1 ", b"\xff"):
        assert refusal(written(), key) == ("event.key_mismatch", "$.contact_id")


@pytest.mark.parametrize(
    ("ms", "fits"),
    [(631_151_999_999, False), (631_152_000_000, True), (4_102_444_799_999, True), (4_102_444_800_000, False)],
)
def test_event_time_lies_in_1990_to_2099(ms: int, fits: bool) -> None:
    if fits:
        assert decode_event(written(occurred_at=ms), None).occurred_at == ms
    else:
        assert refusal(written(occurred_at=ms)) == ("event.bad_time", "$.occurred_at")


def test_event_time_is_cut_below_the_millisecond() -> None:
    event = decode_event(written(occurred_at="2099-12-31T23:59:59.9999999Z"), None)
    assert event.occurred_at == 4_102_444_799_999


@pytest.mark.parametrize("bound", [1_000_000, -1_000_000])
def test_points_given_by_hand_are_bounded(bound: int) -> None:
    def adjusted(points: object) -> bytes:
        return written(type="score.adjusted", properties={"points": points, "reason": "call"})

    for points in (0, 0.5, bound, float(bound)):
        assert decode_event(adjusted(points), None).properties["points"] == points
    bad: tuple[object, ...] = (bound * 1.000001, bound * 2, 2**70, str(bound), None, True, [1])
    for wrong in bad:
        assert refusal(adjusted(wrong)) == ("event.bad_field", "$.properties.points")


def test_properties_of_other_types_are_anything() -> None:
    for event_type in ("page.viewed", "sales.called", "score.other", "contact.updated", "contact.erased"):
        properties = {"points": "many", "sequence": "3", "model": 1, "expires_at": "never"}
        assert decode_event(written(type=event_type, properties=properties), None).properties == properties


def test_reserved_types_are_those_with_an_effect_of_their_own() -> None:
    sales = {"sales.accepted", "sales.rejected", "sales.recycled", "sales.won", "sales.lost"}
    assert sales | {"contact.updated", "score.adjusted", "contact.erased"} == RESERVED_TYPES


@pytest.mark.parametrize(
    "expires_at", [None, "2026-04-01T00:00:00+02:00", "9999-12-31T00:00:00Z", 1_774_823_400_123, -1]
)
def test_points_given_by_hand_may_expire_at_any_time_that_is_one(expires_at: object) -> None:
    properties = {"points": 5, "reason": "call", "expires_at": expires_at}
    assert decode_event(written(type="score.adjusted", properties=properties), None).properties == properties


@pytest.mark.parametrize("expires_at", ["tomorrow", "2026-04-01", "2026-04-01T00:00:00", 1.5, True, [1], 2**62])
def test_points_given_by_hand_expire_at_no_other_time(expires_at: object) -> None:
    """Whoever reads it later could not say when the points end."""
    value = written(type="score.adjusted", properties={"points": 5, "reason": "call", "expires_at": expires_at})
    assert refusal(value) == ("event.bad_field", "$.properties.expires_at")


@pytest.mark.parametrize("name", ["points", "reason"])
def test_points_given_by_hand_need_a_number_and_a_reason(name: str) -> None:
    properties = {"points": 5, "reason": "call"}
    del properties[name]
    assert refusal(written(type="score.adjusted", properties=properties)) == (
        "event.missing_field",
        f"$.properties.{name}",
    )


def test_refusal_survives_the_way_to_another_process() -> None:
    with pytest.raises(EventRefused) as refused:
        decode_event(b"[]", None)
    copy = pickle.loads(pickle.dumps(refused.value))  # noqa: S301
    assert (copy.event_code, copy.path, str(copy)) == ("event.not_object", "$", str(refused.value))


PIECES = (
    *(
        b"NaN",
        b"Infinity",
        b"1e999",
        b"-",
        b"-0",
        b"null",
        b"true",
        b'"',
        b"\\",
        b"\\ud800",
        b"\\udc00",
        b"\\u0000",
        b"\\/",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(
        b",",
        b":",
        b"0",
        b".",
        b"e",
        b"\xff",
        b"\xc3\xa9",
        b"\x00",
        b"\n",
        b" ",
        b"\xef\xbb\xbf",
        b'"id"',
        b'"type":1,',
        b"\xed\xa0\x80",
        b"\x7f",
        b"\x0c",
    ),
    *(b"9" * 310, b'"type":"score.adjusted",', b'"type":"sales.won",', b'"points":1,"reason":"",', b'"sequence":1.0,'),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Bytes that are nearly an event."""
    value = bytearray(USUAL)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(value)))
        value[at : at + draw(st.integers(0, 3))] = draw(st.sampled_from(PIECES) | st.binary(max_size=3))
    return bytes(value)


def outcome(read: Callable[[bytes, bytes | None], object], value: bytes, key: bytes | None) -> object:
    try:
        fields = read(value, key)
    except EventRefused as refused:
        return refused.fields
    # As text: 1, 1.0 and True are equal in Python, 0.0 and -0.0 too.
    return repr([getattr(fields, name) for name in Event.__struct_fields__])


@given(st.binary(max_size=200) | mutated(), st.none() | st.just(b"c-1") | st.binary(max_size=5))
@example(b"\xef\xbb\xbf{}", None)
@example(b'{"a":"\xff"}', None)
@example(b"[" * 1000, None)
@example(b'"' + b"\\" * 1001, None)
@example(USUAL, b"c-1")
@example(USUAL, b"c-2")
@example(USUAL.replace(b"1e5", b"1e400"), None)
@example(USUAL.replace(b"1e5", b"-0"), None)
@example(USUAL.replace(b'"y"', b'"\xff"'), None)
@example(USUAL.replace(b'"web"', b"null"), None)
@example(USUAL.replace(b'"web"', b'"\\ud800"'), None)
def test_any_bytes_give_an_event_or_a_refusal_and_both_readings_agree(value: bytes, key: bytes | None) -> None:
    """The quick reading may take nothing that the precise one refuses, and the other way round."""
    assert outcome(decode_event, value, key) == outcome(examine, value, key)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=9), children, max_size=3),
    max_leaves=9,
)


@given(VALUES)
def test_properties_come_through_as_they_were_written(properties: object) -> None:
    value = written(properties={"p": properties})
    assert repr(decode_event(value, None).properties) == repr({"p": json.loads(json.dumps(properties))})
