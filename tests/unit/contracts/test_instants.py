"""Text to milliseconds and back; a wrong instant is a wrong score."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.instants import (
    MAX_INSTANT_MS,
    MIN_INSTANT_MS,
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_MINUTE,
    MS_PER_SECOND,
    MS_PER_WEEK,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000
DAY_IN_MARCH = 20_541 * DAY  # 2026-03-29, counted from 1970-01-01


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1990-01-01T00:00:00Z", 7_305 * DAY),
        ("2026-03-29T22:30:00Z", DAY_IN_MARCH + 81_000_000),
        ("2026-03-29t22:30:00z", DAY_IN_MARCH + 81_000_000),
        ("2026-03-29T22:30:00.5Z", DAY_IN_MARCH + 81_000_500),
        ("2026-03-29T22:30:00.05Z", DAY_IN_MARCH + 81_000_050),
        ("2026-03-29T22:30:00.123Z", DAY_IN_MARCH + 81_000_123),
        ("2026-03-29T22:30:00.123456+00:00", DAY_IN_MARCH + 81_000_123),
        ("2026-03-30T00:30:00.123+02:00", DAY_IN_MARCH + 81_000_123),
        ("2026-03-30T00:30:00.1+02:00", DAY_IN_MARCH + 81_000_100),
        ("2026-03-29T17:00:00-05:30", DAY_IN_MARCH + 81_000_000),
        ("2026-03-29T22:30:00-00:00", DAY_IN_MARCH + 81_000_000),
        ("2026-03-28T22:31:00-23:59", DAY_IN_MARCH + 81_000_000),
        ("2024-02-29T00:00:00Z", 19_782 * DAY),
        ("2038-01-19T03:14:08Z", 2**31 * 1000),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("0001-01-01T00:00:00Z", -719_162 * DAY),
        ("9999-12-31T23:59:59.999Z", 2_932_897 * DAY - 1),
    ],
)
def test_instant_is_the_milliseconds_since_1970(text: str, expected_ms: int) -> None:
    assert parse_instant(text) == expected_ms


@pytest.mark.parametrize("digits", ["9996", "9999", "999999", "9999999", "999999999", "999" + "9" * 60])
def test_digits_below_the_millisecond_are_cut_when_rounding_would_move_the_day(digits: str) -> None:
    """A rounded 23:59:59.9996 counts for tomorrow's limit."""
    assert parse_instant(f"2026-03-29T23:59:59.{digits}Z") == DAY_IN_MARCH + DAY - 1
    assert parse_instant(f"2026-03-30T01:59:59.{digits}+02:00") == DAY_IN_MARCH + DAY - 1


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.25Z"),
        ("2017-01-01T08:59:60+09:00", "2017-01-01T00:00:00Z"),
        ("2015-06-30T15:59:60.999-08:00", "2015-07-01T00:00:00.999Z"),
    ],
)
def test_leap_second_is_the_second_after_it(text: str, same_as: str) -> None:
    assert parse_instant(text) == parse_instant(same_as)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "now",
        "1774823400000",
        "2026-03-29",
        "2026-03-29T22:30:00",
        "2026-03-29T22:30Z",
        "2026-03-29 22:30:00Z",
        "2026-03-29_22:30:00Z",
        "20260329T223000Z",
        "2026-W13-7T22:30:00Z",
        "2026-088T22:30:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-2026-03-29T22:30:00Z",
        "2026-03-29T24:00:00Z",
        "2026-03-29T22:60:00Z",
        "2026-03-29T22:30:61Z",
        "2026-03-29T22:30:60Z",
        "2026-12-30T23:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "2026-03-29T22:30:00.Z",
        "2026-03-29T22:30:00,123Z",
        "2026-03-29T22:30:00.12a4Z",
        "2026-03-29T22:30:00.123456",
        "2026-03-29T22:30:00ZZ",
        "2026-03-29T22:30:00.123ZZ",
        "2026-03-29T22:30:00.123Z ",
        "2026-03-29T22:30:00Z\n",
        " 2026-03-29T22:30:00Z",
        "2026-03-29T22:30:00+24:00",
        "2026-03-29T22:30:00+01:60",
        "2026-03-29T22:30:00+0100",
        "2026-03-29T22:30:00+01",
        "2026-03-29T22:30:00 Z",
        "2026-03-29T22:30:00UTC",
        "2026-03-29T+2:30:00Z",
        "\u0662\u0660\u0662\u0666-03-29T22:30:00Z",
        "2026-03-29T22:30:00.\u0661\u0662\u0663Z",
        "2026\u201303\u201329T22:30:00Z",
    ],
)
def test_text_is_refused_when_it_is_not_rfc_3339(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_instant(text)
    assert not text or text not in str(refused.value)


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones() | st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_instant_equals_that_of_the_standard_library(at: datetime, digits: str) -> None:
    text = at.isoformat(timespec=digits)
    offset = at.utcoffset()
    assert offset is not None
    if offset % timedelta(minutes=1):  # RFC 3339 has no seconds in offsets; zones of long ago do
        with pytest.raises(ValueError):
            parse_instant(text)
    else:
        assert parse_instant(text) == (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


@given(st.text("0123456789-+:.TtZz \n٣", max_size=35))
def test_any_text_gives_an_instant_or_a_value_error(text: str) -> None:
    try:
        parse_instant(text)
    except ValueError:
        return


@given(st.integers(-719_162 * DAY, 2_932_897 * DAY - 1))
def test_format_and_parse_of_an_instant_are_inverse(ms: int) -> None:
    assert parse_instant(format_instant(ms)) == ms


def test_format_of_an_instant_always_has_milliseconds() -> None:
    assert format_instant(0) == "1970-01-01T00:00:00.000Z"
    assert format_instant(-1) == "1969-12-31T23:59:59.999Z"
    assert format_instant(MIN_INSTANT_MS) == "1990-01-01T00:00:00.000Z"
    assert format_instant(MAX_INSTANT_MS) == "2099-12-31T23:59:59.999Z"


@pytest.mark.parametrize("ms", [2_932_897 * DAY, -719_162 * DAY - 1, 10**30, -(10**30)])
def test_format_of_an_instant_raises_outside_the_years_1_to_9999(ms: int) -> None:
    with pytest.raises(ValueError, match="outside the years"):
        format_instant(ms)


def test_units_are_multiples_of_each_other() -> None:
    assert (MS_PER_SECOND, MS_PER_MINUTE, MS_PER_HOUR, MS_PER_DAY, MS_PER_WEEK) == (
        1000,
        60_000,
        3_600_000,
        DAY,
        7 * DAY,
    )


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("45s", 45_000),
        ("30m", 1_800_000),
        ("12h", 43_200_000),
        ("14d", 14 * DAY),
        ("2w", 14 * DAY),
        ("0d", 0),
        ("520w", 3_640 * DAY),
    ],
)
def test_duration_is_a_number_and_a_unit(text: str, expected_ms: int) -> None:
    assert parse_duration(text) == expected_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "1",
        "1.5h",
        "-1d",
        "+1d",
        "1 d",
        "1d ",
        "1D",
        "1ms",
        "1y",
        "1h30m",
        "01d",
        "1e3s",
        "٣d",
        "1d\n",
        "1_0d",
        "1000000000s",
    ],
)
def test_duration_is_refused_when_it_is_something_else(text: str) -> None:
    with pytest.raises(ValueError, match="45s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (0, "0s"),
        (1000, "1s"),
        (90_000, "90s"),
        (60_000, "1m"),
        (5_400_000, "90m"),
        (36 * 3_600_000, "36h"),
        (3 * DAY, "3d"),
        (14 * DAY, "14d"),
    ],
)
def test_format_of_a_duration_is_the_largest_exact_unit_up_to_days(ms: int, expected: str) -> None:
    assert format_duration(ms) == expected


@given(st.integers(0, 10**9 - 1))
def test_format_and_parse_of_a_duration_are_inverse(seconds: int) -> None:
    assert parse_duration(format_duration(seconds * 1000)) == seconds * 1000


@pytest.mark.parametrize("ms", [-1000, 1, 999, 1001])
def test_format_of_a_duration_raises_for_what_it_cannot_write(ms: int) -> None:
    with pytest.raises(ValueError, match="whole number of seconds"):
        format_duration(ms)
