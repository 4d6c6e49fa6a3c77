from __future__ import annotations

import pytest

from tests.support.small import START, drained, event, nothing_stored, rule, small_model, small_partition, trace_of


def test_small_event_is_named_after_its_type_and_time() -> None:
    one = event("act", START, answer=42)
    assert (one.id, one.contact_id, one.properties) == (f"act@{START}", "c", {"answer": 42})


def test_trace_of_an_event_that_leaves_none_fails() -> None:
    with pytest.raises(AssertionError, match="without trace"):
        trace_of(small_model(rule("act", 1)), event("other"))


def test_drained_fails_when_there_is_nothing_to_write() -> None:
    with pytest.raises(AssertionError, match="nothing to write"):
        drained(small_partition(small_model(rule("act", 1))))


def test_nothing_is_stored_under_any_key() -> None:
    assert nothing_stored([b"a", b"b"]) == [None, None]
