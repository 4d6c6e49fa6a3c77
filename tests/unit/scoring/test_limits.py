from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.limits import Calendar, Limit, Period, Rolling, period_number

HOUR, DAY = 3_600_000, 86_400_000
BERLIN = ZoneInfo("Europe/Berlin")


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def awarded(limit: Limit, instants: list[int]) -> list[int]:
    """Return those of *instants* at which *limit* lets a rule award."""
    state: list[int] = []
    allowed = []
    for at_ms in instants:
        if limit.allows(state, at_ms):
            limit.record(state, at_ms)
            allowed.append(at_ms)
    return allowed


def test_rolling_limit_of_one_in_24_hours_awards_at_0_and_24_of_0_23_24_47() -> None:
    assert awarded(Rolling(1, DAY), [0, 23 * HOUR, 24 * HOUR, 47 * HOUR]) == [0, 24 * HOUR]


def test_rolling_limit_opens_exactly_when_the_oldest_award_is_as_old_as_the_span() -> None:
    assert awarded(Rolling(1, DAY), [0, DAY - 1]) == [0]
    assert awarded(Rolling(1, DAY), [0, DAY]) == [0, DAY]


def test_rolling_limit_of_two_counts_the_awards_and_not_the_refused() -> None:
    assert awarded(Rolling(2, 10), [0, 1, 2, 3, 10, 11, 12]) == [0, 1, 10, 11]


def test_rolling_limit_counts_awards_of_one_instant_one_by_one() -> None:
    assert awarded(Rolling(2, DAY), [5, 5, 5]) == [5, 5]


def test_rolling_limit_remembers_no_more_instants_than_it_needs() -> None:
    limit, state = Rolling(2, 1), list[int]()
    for at_ms in range(0, 50, 5):
        limit.record(state, at_ms)
    assert state == [40, 45]


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 4), st.integers(1, 12))
def test_rolling_limit_equals_a_count_over_all_awards(instants: list[int], times: int, within: int) -> None:
    given_at: list[int] = []
    for at_ms in sorted(instants):
        if sum(at_ms - within < other <= at_ms for other in given_at) < times:
            given_at.append(at_ms)
    assert awarded(Rolling(times, within), sorted(instants)) == given_at


def test_daily_limit_in_berlin_has_the_short_day_of_march_as_one_day() -> None:
    """The clocks went forward on 2026-03-29: its civil day lasts from 23:00Z of the 28th to 22:00Z."""
    limit = Calendar(1, "day", "Europe/Berlin")
    first, second, third = map(instant, ("2026-03-28T23:30Z", "2026-03-29T21:30Z", "2026-03-29T22:30Z"))
    assert awarded(limit, [first, second, third]) == [first, third]


def test_weekly_limit_opens_on_monday_at_midnight() -> None:
    limit = Calendar(1, "week", "UTC")
    sunday, late_sunday, monday = map(instant, ("2026-03-23T00:00Z", "2026-03-29T23:59:59.999Z", "2026-03-30T00:00Z"))
    assert awarded(limit, [sunday, late_sunday, monday]) == [sunday, monday]


def test_monthly_limit_of_two_opens_on_the_first() -> None:
    limit = Calendar(2, "month", "UTC")
    days = [instant(f"2024-02-{day}T12:00Z") for day in ("01", "28", "29")] + [instant("2024-03-01T00:00Z")]
    assert awarded(limit, days) == [days[0], days[1], days[3]]


def test_month_of_another_year_is_another_month() -> None:
    limit = Calendar(1, "month", "UTC")
    days = [instant("2025-03-05T00:00Z"), instant("2026-03-05T00:00Z")]
    assert awarded(limit, days) == days


@pytest.mark.parametrize("per", ["day", "week", "month"])
@given(st.integers(631_152_000_000, 4_102_444_799_999), st.integers(-40 * DAY, 40 * DAY))
def test_period_numbers_are_equal_exactly_in_one_civil_period(per: Period, at_ms: int, apart: int) -> None:
    other = max(631_152_000_000, min(4_102_444_799_999, at_ms + apart))
    same = civil(per, at_ms) == civil(per, other)
    assert (period_number(per, at_ms, BERLIN) == period_number(per, other, BERLIN)) is same


def civil(per: Period, at_ms: int) -> tuple[int, ...]:
    local = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(BERLIN)
    if per == "week":
        return tuple(local.isocalendar())[:2]
    return (local.year, local.month) if per == "month" else (local.year, local.month, local.day)


def test_period_follows_a_zone_that_changed_its_clocks_a_minute_after_midnight() -> None:
    """Newfoundland went back at 00:01 until 2011: 02:35Z on 2010-11-07 was 23:05 of the day before."""
    zone = ZoneInfo("America/St_Johns")
    before, after = instant("2010-11-06T12:00Z"), instant("2010-11-07T02:35Z")
    assert period_number("day", before, zone) == period_number("day", after, zone)
