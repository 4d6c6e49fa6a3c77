"""When something happens in a case, as people say it."""

from __future__ import annotations

import pytest

from worker.cases.instants import format_at, parse_at, parse_start

DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


@pytest.mark.parametrize(
    ("text", "after_start"),
    [
        ("day 0", 0),
        ("day 30", 30 * DAY),
        ("day 30 13:05", 30 * DAY + 13 * HOUR + 5 * MINUTE),
        ("day 179 23:59:59.999", 180 * DAY - 1),
        ("day 0 00:00:01.5", 1_500),
        ("day -3", -3 * DAY),
        ("2026-01-02", DAY),
        ("2026-01-02 01:30", DAY + HOUR + 30 * MINUTE),
        ("2026-01-02T01:30:00+01:00", DAY + 30 * MINUTE),
        ("3 days later", 10 * DAY + 3 * DAY),
        ("1 day later", 11 * DAY),
        ("12h later", 10 * DAY + 12 * HOUR),
        ("1 week 2 days 3h 4m 5s 6ms later", 10 * DAY + 9 * DAY + 3 * HOUR + 4 * MINUTE + 5_006),
        ("90 minutes later", 10 * DAY + 90 * MINUTE),
        ("1ms before day 30", 30 * DAY - 1),
        ("2 hours after 2026-01-02", DAY + 2 * HOUR),
        ("  3   days   later ", 13 * DAY),
    ],
)
def test_people_say_instants_in_many_ways(text: str, after_start: int) -> None:
    assert parse_at(text, START, START + 10 * DAY) == START + after_start


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "day",
        "day one",
        "day 1.5",
        "day 3 25:00",
        "day 3 later",
        "later",
        "3 fortnights later",
        "3 days",
        "before day 3",
        "3 days before",
        "-3 days later",
        "3 days later later",
        "2026-02-30",
        "2026-01-02T01:30:00",
        "1989-12-31",
        "day 99999",
        "1s before 1s before day 3",
        "day ٣",
    ],
)
def test_what_says_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_at(text, START, START)


def test_a_case_starts_with_a_day() -> None:
    assert parse_start("2026-01-01") == START


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01 12:00", "day 3", "1850-01-01"])
def test_a_start_that_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_start(text)


@pytest.mark.parametrize(
    ("after_start", "text"),
    [
        (30 * DAY, "day 30 (2026-01-31T00:00:00.000Z)"),
        (30 * DAY - 1, "day 29 23:59:59.999 (2026-01-30T23:59:59.999Z)"),
        (13 * HOUR + 5 * MINUTE, "day 0 13:05 (2026-01-01T13:05:00.000Z)"),
        (-DAY, "day -1 (2025-12-31T00:00:00.000Z)"),
    ],
)
def test_instants_are_shown_in_days_and_exactly(after_start: int, text: str) -> None:
    assert format_at(START + after_start, START) == text
    assert parse_at(text.partition(" (")[0], START, 0) == START + after_start
