from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import DAY, HOUR, START, accept, rule, small_model
from worker.scoring.history import LATE_IDS, WINDOW_EVENTS, History, pack_id, unpack_id
from worker.scoring.reading import read

UUID = "0195e6e8-0000-7000-8000-00000000000a"
FADING = small_model(rule("act", 100, decay={"half_life": "1d"}), rule("other", 7), lateness="3d")


def score(history: History, at_ms: int) -> float:
    return read(FADING, history.head_at(FADING, at_ms), at_ms).score


def test_canonical_uuid_is_kept_in_16_bytes() -> None:
    assert pack_id(UUID) == bytes.fromhex("0195e6e80000700080000000 0000000a".replace(" ", ""))


@pytest.mark.parametrize(
    "text",
    [UUID.upper(), UUID.replace("-", ""), UUID[:-1], UUID + "0", UUID[:-2] + " a", UUID[:-1] + "g", "é" * 18, "-" * 36],
)
def test_any_other_id_stays_text(text: str) -> None:
    assert pack_id(text) == text


@given(st.text(min_size=1, max_size=40) | st.uuids().map(str))
def test_id_comes_back_as_it_was_packed(text: str) -> None:
    assert unpack_id(pack_id(text)) == text


def test_equal_instants_are_ordered_by_the_utf8_bytes_of_the_id() -> None:
    """Packed and text ids compare as text; a code point beyond the basic plane sorts last in UTF-8, not in UTF-16."""
    ids = ["z", UUID, "\uffee", "\U0001f600", "Z"]
    history = History()
    for one in ids:
        accept(history, FADING, "act", START, one)
    assert [unpack_id(entry.id) for entry in history.journal] == sorted(ids, key=str.encode)


def test_event_at_the_newest_instant_is_in_order_when_its_id_sorts_last() -> None:
    history = History()
    accept(history, FADING, "act", START, "b")
    assert history.is_in_order(START, "c")
    assert not history.is_in_order(START, "a")
    assert not history.is_in_order(START - 1, "c")


def test_every_order_of_arrival_within_the_window_gives_one_fold() -> None:
    model = small_model(
        rule("act", 100, decay={"half_life": "1d"}, limit={"times": 2, "within": "1d"}),
        rule("form", 20, once_per="contact"),
        inactivity=[{"after": "1d", "every": "1d", "points": -30}],
        feedback={"sales.lost": {"reset": ["engagement"]}},
    )
    happened = [
        ("act", START), ("form", START), ("sales.lost", START + HOUR), ("act", START + 26 * HOUR), ("act", START + 60 * HOUR),
    ]  # fmt: skip
    seen = set()
    for order in permutations(happened):
        history = History()
        for event_type, at_ms in order:
            accept(history, model, event_type, at_ms)
        fold = history.head_at(model, START + 70 * HOUR)
        rules = {index: (r.value, r.reference_ms, r.count, str(r.times)) for index, r in fold.rules.items()}
        seen.add((read(model, fold, START + 70 * HOUR).score, str(rules), fold.last_activity_ms))
    assert len(seen) == 1


def test_event_at_the_edge_of_the_window_is_not_late_and_one_before_it_is() -> None:
    history = History()
    accept(history, FADING, "act", START)
    assert not accept(history, FADING, "act", START - 3 * DAY).is_late
    assert accept(history, FADING, "act", START - 3 * DAY - 1).is_late


def test_events_that_leave_the_window_go_into_the_base() -> None:
    history = History()
    for day in (0, 1, 4):
        accept(history, FADING, "act", START + day * DAY)
    history.trim(FADING)
    assert [entry.at_ms for entry in history.journal] == [START + DAY, START + 4 * DAY]
    assert history.base is not None
    assert (history.base.at_ms, history.base.rules[0].value) == (START, 100.0)
    assert score(history, START + 4 * DAY) == 100 / 16 + 100 / 8 + 100


def test_late_event_is_applied_on_the_base_with_its_own_fading() -> None:
    history = History()
    for day in (0, 4):
        accept(history, FADING, "act", START + day * DAY)
    assert accept(history, FADING, "act", START - DAY).is_late
    assert history.base is not None
    assert history.base.at_ms == START
    assert score(history, START + 4 * DAY) == 100 / 32 + 100 / 16 + 100


def test_late_event_newer_than_the_base_becomes_its_newest() -> None:
    history = History()
    for day in (0, 10):
        accept(history, FADING, "act", START + day * DAY)
    accept(history, FADING, "act", START + 5 * DAY)
    assert history.base is not None
    assert history.base.at_ms == START + 5 * DAY


def test_ids_are_known_within_the_window_and_forgotten_behind_it() -> None:
    history = History()
    accept(history, FADING, "act", START, "old")
    assert history.has(FADING, "old")
    accept(history, FADING, "act", START + 3 * DAY, "new")
    assert history.has(FADING, "old")
    accept(history, FADING, "act", START + 3 * DAY + 1, "newer")
    assert not history.has(FADING, "old")
    assert history.has(FADING, "new")


def test_ids_of_the_64_late_events_accepted_last_are_known() -> None:
    assert LATE_IDS == 64
    history = History()
    accept(history, FADING, "act", START)
    for number in range(65):
        accept(history, FADING, "act", START - 10 * DAY, f"late {number}")
    assert not history.has(FADING, "late 0")
    assert all(history.has(FADING, f"late {number}") for number in range(1, 65))


def test_newest_512_events_of_a_window_are_kept_and_the_rest_is_counted() -> None:
    assert WINDOW_EVENTS == 512
    history = History()
    overflowed = [accept(history, FADING, "other", START + n).overflowed for n in range(514)]
    assert overflowed == [0] * 512 + [1, 1]
    assert len(history.journal) == 512
    assert history.journal[0].at_ms == START + 2
    assert score(history, START + DAY) == 514 * 7


def test_event_older_than_an_overflowed_base_is_late_although_within_the_window() -> None:
    history = History()
    for n in range(514):
        accept(history, FADING, "other", START + n)
    assert accept(history, FADING, "other", START).is_late
    assert score(history, START + DAY) == 515 * 7


def test_event_tells_whether_it_gained_in_its_own_place() -> None:
    """An event that arrives behind one that uses up the limit takes that award over."""
    model = small_model(rule("act", 5, limit={"times": 1, "within": "1d"}))
    history = History()
    accept(history, model, "act", START + HOUR)
    assert accept(history, model, "act", START).gained
    assert not accept(history, model, "act", START + 2 * HOUR).gained
    assert history.head(model).rules[0].count == 1


def test_fold_as_of_an_instant_leaves_newer_events_out() -> None:
    history = History()
    for day in (0, 1, 2):
        accept(history, FADING, "act", START + day * DAY)
    fold = history.fold_as_of(FADING, START + DAY)
    assert fold is not None
    assert read(FADING, fold, START + DAY).score == 150.0


def test_fold_as_of_an_instant_before_the_base_is_not_kept() -> None:
    history = History()
    for day in (0, 1, 10):
        accept(history, FADING, "act", START + day * DAY)
    assert history.fold_as_of(FADING, START) is None
    assert history.fold_as_of(FADING, START + DAY) is not None


def test_head_at_a_later_instant_does_not_move_the_head() -> None:
    model = small_model(rule("act", 100), inactivity=[{"after": "1d", "points": -30}])
    history = History()
    accept(history, model, "act", START)
    assert read(model, history.head_at(model, START + DAY), START + DAY).score == 70.0
    assert read(model, history.head(model), START).score == 100.0


def alike(*days: float) -> tuple[History, History]:
    """Two histories of the same events: one trimmed after each, the other when it is asked."""
    eager, lazy = History(), History()
    for day in days:
        for history in (eager, lazy):
            accept(history, FADING, "act", START + round(day * DAY))
        eager.trim(FADING)
    return eager, lazy


DAYS = (0, 1, 1.5, 2, 4, 5, 10)
"""On day 10 the window begins on day 7."""


def test_moving_old_events_into_the_base_in_lots_is_seen_by_nobody() -> None:
    for one in alike(*DAYS):
        assert score(one, START + 10 * DAY) == pytest.approx(sum(100 * 2 ** (day - 10) for day in DAYS), rel=1e-12)
        assert not one.has(FADING, pack_id(f"act@{START + 5 * DAY}"))
        assert one.has(FADING, pack_id(f"act@{START + 10 * DAY}"))


def test_event_between_those_that_left_the_window_is_late_whether_or_not_they_were_moved() -> None:
    for one in alike(*DAYS):
        accepted = accept(one, FADING, "act", START + 3 * DAY)
        assert (accepted.is_late, accepted.overflowed) == (True, 0)
        assert one.base is not None
        assert one.base.at_ms == START + 5 * DAY


def test_fold_of_a_past_instant_is_known_to_neither_or_both() -> None:
    for at_day in (4.5, 5, 7, 10, 11):
        known = [one.fold_as_of(FADING, START + round(at_day * DAY)) is not None for one in alike(*DAYS)]
        assert known == [at_day >= 5] * 2


def test_erasure_within_the_window_keeps_what_is_newer_and_drops_ties() -> None:
    for one in alike(8, 9, 9.5, 10):
        one.erase(FADING, START + 9 * DAY)
        assert one.instants == [START + round(9.5 * DAY), START + 10 * DAY]
        assert one.base is None
        assert not one.has(FADING, pack_id(f"act@{START + 9 * DAY}"))
        assert one.has(FADING, pack_id(f"act@{START + 10 * DAY}"))
        assert score(one, START + 10 * DAY) == pytest.approx(100 + 100 * 2**-0.5)


def test_late_erasure_takes_all_that_left_the_window() -> None:
    for one in alike(*DAYS):
        one.erase(FADING, START + DAY)
        assert one.instants == [START + 10 * DAY]
        assert score(one, START + 10 * DAY) == 100.0


def test_erasure_forgets_late_ids_and_everything_else_when_it_is_the_newest() -> None:
    for one in alike(*DAYS):
        accept(one, FADING, "act", START, "late")
        one.erase(FADING, START + 10 * DAY)
        assert (one.newest_ms, one.base, one.late_ids, one.ids) == (None, None, (), [])
        assert accept(one, FADING, "act", START, "late").in_order


def test_full_window_counts_only_what_left_before_its_time() -> None:
    """Four events are out of the window already when the 513th of the rest arrives."""
    history = History()
    for n in range(4):
        accept(history, FADING, "other", START + n)
    begin = START + 3 * DAY + 10
    overflowed = [accept(history, FADING, "other", begin + n).overflowed for n in range(513)]
    assert overflowed == [0] * 512 + [1]
