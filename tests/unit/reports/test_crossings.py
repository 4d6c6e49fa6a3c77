from __future__ import annotations

from tests.support.small import DAY, HOUR, START, event_value, rule, small_model
from worker.contracts.instants import parse_instant
from worker.replay import Replay, replay_lines
from worker.reports.crossings import COOLED, READY, Crossing, Period, count_kinds, first_ready, periods

WEEK = 7 * DAY
MONDAY = parse_instant("2025-12-29T00:00:00Z")
"""The Monday before START, which is a Thursday."""
MODEL = small_model(
    rule("act", 100, decay={"half_life": "1h"}),
    rule("click", 1),
    qualify={"when": {"score": {"at_least": 50}}},
    tiers={"cold": 0, "hot": 50},
)


def replayed(*lines: bytes, as_of_ms: int | None = None) -> Replay:
    return replay_lines([MODEL], lines, as_of_ms)


def test_first_ready_is_the_first_of_each_contact_with_place_score_and_reasons() -> None:
    found = replayed(
        event_value("click", contact="b"),
        event_value("act", START + HOUR, contact="b"),
        event_value("act", START + 2 * HOUR),
        event_value("act", START + 2 * DAY, contact="b"),
    )
    ready = first_ready(found.transitions["small"], found.places["small"])
    assert ready == {
        "b": Crossing(START + HOUR, 1, 101.0, "hot", ("rule 0 100", "rule 1 1")),
        "c": Crossing(START + 2 * HOUR, 2, 100.0, "hot", ("rule 0 100",)),
    }


def test_transitions_are_counted_by_kind() -> None:
    found = replayed(event_value("act"), as_of_ms=START + DAY)
    assert count_kinds(found.transitions["small"]) == {READY: 1, COOLED: 1}


def test_periods_are_weeks_from_monday_without_gaps() -> None:
    """Each act makes ready and cools within the hour; week 0 has two, week 1 none, week 2 one."""
    lines = [event_value("act", START + day * DAY, contact=str(day)) for day in (0, 3, 17)]
    found = replayed(*lines, as_of_ms=START + 30 * DAY)
    assert periods(found.transitions["small"]) == (
        1,
        [Period(MONDAY, 2, 2), Period(MONDAY + WEEK, 0, 0), Period(MONDAY + 2 * WEEK, 1, 1)],
    )


def test_a_week_begins_on_monday_at_midnight_and_ends_before_the_next() -> None:
    lines = [event_value("act", MONDAY + WEEK + one, contact=str(one)) for one in (-1, 0)]
    _, found = periods(replayed(*lines).transitions["small"])
    assert [(one.start_ms, one.ready) for one in found] == [(MONDAY, 1), (MONDAY + WEEK, 1)]


def test_long_histories_have_longer_periods() -> None:
    """105 weeks are one more than there may be periods."""
    lines = [event_value("act", MONDAY + week * WEEK, contact=str(week)) for week in (0, 1, 104)]
    weeks, found = periods(replayed(*lines).transitions["small"])
    assert weeks == 2
    assert len(found) == 53
    assert [one.ready for one in found if one.ready] == [2, 1]


def test_nothing_told_gives_no_periods() -> None:
    assert periods([]) == (1, [])
