from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import event
from worker.contracts.event_decoding import decode_event
from worker.scoring.model import FieldPath
from worker.scoring.once import hash64, once_key

A = FieldPath("properties", ("a",))
B = FieldPath("properties", ("b",))
DEEP = FieldPath("properties", ("a", "b"))


def key(**properties: Any) -> int:
    return once_key(event("act", **properties), [A])[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (0, -0.0), (10**22, 1e22), ([1], [1.0]), ({"x": 1, "y": 2}, {"y": 2.0, "x": 1}), (2**53, float(2**53))],
)
def test_values_that_are_equal_numbers_make_one_key(one: object, other: object) -> None:
    assert key(a=one) == key(a=other)


DISTINCT: list[object] = [
    1, "1", True, 0, False, "", None, "A", "a", " a", 2**53 + 1, 2**53, 2**70, 2**70 + 1, 0.1, 0.2, 1e300, 10**300,
    [1], [True], ["1"], [1, 1], [[1]], [], {}, {"a": 1}, {"a": None}, {"a": True}, "null", "s1:a", "[1]",
]  # fmt: skip


def test_values_that_differ_in_type_or_digits_make_different_keys() -> None:
    """If this fails, a form sent under another id earns nothing."""
    assert len({key(a=value) for value in DISTINCT}) == len(DISTINCT)


def test_missing_field_and_null_make_one_key_that_is_all_null() -> None:
    assert once_key(event("act"), [A]) == once_key(event("act", a=None), [A])
    assert once_key(event("act"), [A, B])[1] is True
    assert once_key(event("act", b=0), [A, B])[1] is False


def test_fields_keep_their_places_in_a_key() -> None:
    assert once_key(event("act", a="x", b="y"), [A, B])[0] != once_key(event("act", a="y", b="x"), [A, B])[0]
    assert once_key(event("act", a="xy", b=""), [A, B])[0] != once_key(event("act", a="x", b="y"), [A, B])[0]


def test_path_that_meets_no_object_on_its_way_is_null() -> None:
    for value in (5, "text", [1], None):
        assert once_key(event("act", a=value), [DEEP])[1] is True
    assert once_key(event("act", a={"b": 0}), [DEEP])[1] is False


def test_contact_is_one_key_for_every_event_and_never_null() -> None:
    assert once_key(event("act", a=1), []) == once_key(event("other"), []) == (0, False)


def test_type_and_source_are_fields_like_others() -> None:
    type_field, source_field = FieldPath("type"), FieldPath("source")
    one = decode_event(b'{"id":"1","contact_id":"c","type":"t","occurred_at":1767225600000,"source":"x"}', None)
    assert once_key(one, [type_field])[0] != once_key(one, [source_field])[0]
    assert once_key(event("act"), [source_field])[1] is True


def test_hash_is_the_same_in_every_process_and_release() -> None:
    """Stored keys depend on it. The value is `b2sum -l 64` of `abc`, which RFC 7693 defines."""
    assert hash64(b"abc") == 0xD8BB14D833D59559


JSON_NUMBERS = st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)


@given(JSON_NUMBERS, JSON_NUMBERS)
def test_numbers_share_a_key_exactly_when_they_are_equal(a: float, b: float) -> None:
    one, other = json.loads(json.dumps(a)), json.loads(json.dumps(b))
    assert (key(a=one) == key(a=other)) is (Fraction(one) == Fraction(other))
