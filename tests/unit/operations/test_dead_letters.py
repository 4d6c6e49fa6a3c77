from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.letters import letter
from worker.contracts.instants import MS_PER_HOUR
from worker.operations.dead_letter_replay import EMPTY, FOREIGN, SENT_BEFORE, TOO_OFTEN, Terms, headers_again, why_not
from worker.operations.dead_letters import Selection, letter_of, overview
from worker.operations.replayed import Offsets
from worker.replay import Line, Origin

TERMS = Terms(max_replays=3, is_again=False, rate=0, is_dry=True)
RECEIVED = [("trace", b"t1"), ("leadscore.forwarded", b"0:1:2")]


def test_letter_says_what_is_wrong_and_where_it_lay() -> None:
    one = letter(3, partition=2, at_ms=9, received=RECEIVED)
    assert (one.place, one.at_ms, one.code, one.path) == ("2:3", 9, "event.bad_time", "$.occurred_at")
    assert (one.topic, one.source_partition, one.source_offset, one.replays) == ("in", 7, 41, 0)
    assert one.message == "event.bad_time at $.occurred_at: p"
    assert one.size_bytes == len(b"jane{}")


def test_of_a_letter_refused_twice_the_newest_headers_hold() -> None:
    first = letter(1, "event.bad_field", received=[("leadscore.replayed", b"1")])
    second = letter(9, "event.bad_time", received=list(first.headers))
    assert (second.code, second.replays) == ("event.bad_time", 1)


@pytest.mark.parametrize(
    ("headers", "replays"),
    [((), 0), ((("leadscore.replayed", b"-1"),), 0), ((("leadscore.replayed", "²".encode()),), 0), ((("x", None),), 0)],
)
def test_headers_that_are_not_ours_say_nothing(headers: Sequence[tuple[str, bytes]], replays: int) -> None:
    one = letter_of(Line(0, None, 0, None, headers, Origin("in-dlq", 0, 0, is_record=True)))
    assert (one.code, one.topic, one.source_offset, one.replays) == ("", "", -1, replays)


def test_headers_go_back_as_received_with_the_number_of_replays() -> None:
    one = letter(received=[*RECEIVED, ("leadscore.replayed", b"2")])
    assert headers_again(one) == [("trace", b"t1"), ("leadscore.replayed", b"3")]


def test_each_reason_to_pass_a_letter_over() -> None:
    sent = {0: Offsets([5])}
    assert why_not(letter(4), "in", TERMS, sent) == ""
    assert why_not(letter(5), "in", TERMS, sent) == SENT_BEFORE
    assert why_not(letter(5, partition=1), "in", TERMS, sent) == ""
    assert why_not(letter(5), "in", Terms(3, is_again=True, rate=0, is_dry=True), sent) == ""
    assert why_not(letter(4, topic="other"), "in", TERMS, sent) == FOREIGN
    assert why_not(letter(4, value=None), "in", TERMS, sent) == EMPTY
    assert why_not(letter(4, received=[("leadscore.replayed", b"2")]), "in", TERMS, sent) == ""
    assert why_not(letter(4, received=[("leadscore.replayed", b"3")]), "in", TERMS, sent) == TOO_OFTEN


def test_selection_is_by_code_and_partition() -> None:
    chosen = Selection(codes=frozenset({"event.bad_time"}), partitions=frozenset({1, 2}))
    assert chosen.takes(letter(partition=1))
    assert not chosen.takes(letter(partition=3))
    assert not chosen.takes(letter(code="event.not_json", partition=1))
    assert Selection().takes(letter(partition=3))


def test_overview_counts_by_code_partition_and_hour_and_keeps_the_newest() -> None:
    letters = [
        letter(0, at_ms=10),
        letter(1, at_ms=MS_PER_HOUR - 1),
        letter(2, at_ms=MS_PER_HOUR),
        letter(0, "event.not_json", partition=1, at_ms=20, received=[("leadscore.replayed", b"1")]),
    ]
    found = overview([letters[:2], [], letters[2:]], newest=2, window_ms=MS_PER_HOUR)
    counts = {
        (kind.code, kind.partition, kind.since_ms): (
            one.letters,
            one.first_ms,
            one.last_ms,
            one.replayed,
            one.size_bytes,
        )
        for kind, one in found.tallies.items()
    }
    assert counts == {
        ("event.bad_time", 0, 0): (2, 10, MS_PER_HOUR - 1, 0, 12),
        ("event.bad_time", 0, MS_PER_HOUR): (1, MS_PER_HOUR, MS_PER_HOUR, 0, 6),
        ("event.not_json", 1, 0): (1, 20, 20, 1, 6),
    }
    assert [one.at_ms for one in found.newest] == [MS_PER_HOUR, MS_PER_HOUR - 1]
    assert found.letters == 4
    assert overview([letters], newest=0).newest == []
