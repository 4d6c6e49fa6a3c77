"""Instants and durations: text to whole milliseconds and back; never asks what time it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60 * MS_PER_SECOND
MS_PER_HOUR: Final = 60 * MS_PER_MINUTE
MS_PER_DAY: Final = 24 * MS_PER_HOUR
MS_PER_WEEK: Final = 7 * MS_PER_DAY

MIN_INSTANT_MS: Final = 631_152_000_000
"""1990-01-01T00:00:00.000Z, the earliest instant at which an event may have occurred."""

MAX_INSTANT_MS: Final = 4_102_444_799_999
"""2099-12-31T23:59:59.999Z, the latest instant at which an event may have occurred."""

_CLOCK: Final = tuple(f"{minute // 60:02}:{minute % 60:02}" for minute in range(24 * 60))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_UNITS: Final = {
    "s": MS_PER_SECOND,
    "m": MS_PER_MINUTE,
    "h": MS_PER_HOUR,
    "d": MS_PER_DAY,
    "w": MS_PER_WEEK,
}

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339 section 5.6. It lets `T` and `Z` be lower case and a fraction have any number of digits;
# [0-9], not \d: other scripts have digits too.
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)"
    r"(?:\.([0-9]+))?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_MINUTES: Final = {f"T{m // 60:02}:{m % 60:02}:": m * MS_PER_MINUTE for m in range(24 * 60)}
_SECONDS: Final = {f"{second:02}": second * MS_PER_SECOND for second in range(60)}
# What follows the seconds: a fraction in UTC, or an offset; in ms to add.
_TAILS: Final = {
    **{f".{ms:03}Z": ms for ms in range(1000)},
    **{f"-{m // 60:02}:{m % 60:02}": m * MS_PER_MINUTE for m in range(24 * 60)},
    **{f"+{m // 60:02}:{m % 60:02}": -m * MS_PER_MINUTE for m in range(24 * 60)},
    "Z": 0,
}
# Nine digits: even 999,999,999 weeks fit into 63 bits of milliseconds.
_DURATION: Final = re.compile(r"(0|[1-9][0-9]{0,8})([smhdw])")
_LEAP_SECOND: Final = "60"


def parse_instant(text: str) -> int:
    """
    Return the UTC milliseconds of *text*, an RFC 3339 date and time with offset, years 0001 to 9999.

    Digits below the millisecond are cut, never rounded: an event does not move to the next day by
    rounding. A leap second (`:60`) is taken where one can be, in the last minute (UTC) of a month,
    and is the second after it, as POSIX clocks have it.

    Raises:
        ValueError: *text* is something else; the message does not repeat it.

    >>> parse_instant("2026-03-29T23:30:00.1239+01:00")
    1774823400123
    >>> parse_instant("2016-12-31T23:59:60Z") == parse_instant("2017-01-01T00:00:00Z")
    True
    """
    # By look-up of fixed places: a fifth of the time of a pattern, and it runs once an event.
    try:
        instant_ms = _midnight_ms(text[:10]) + _MINUTES[text[10:17]] + _SECONDS[text[17:19]]
        tail_ms = _TAILS.get(text[19:])
        if tail_ms is not None:
            return instant_ms + tail_ms
        offset = text[23:].lstrip("0123456789")  # what is left of `.123456+01:00`
        return instant_ms + _TAILS[f"{text[19:23]}Z"] + _TAILS[offset]
    except (KeyError, ValueError):
        return _parse_any_instant(text)


def _parse_any_instant(text: str) -> int:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("no RFC 3339 date and time with offset")
    date, minute, second, fraction, offset = match.groups()
    instant_ms = _midnight_ms(date) + _MINUTES[f"T{minute}:"] + _TAILS[offset.upper()]
    if second == _LEAP_SECOND:
        instant_ms += MS_PER_MINUTE
        if not _starts_a_month(instant_ms):
            raise ValueError("a leap second where none can be")
    else:
        instant_ms += _SECONDS[second]
    return instant_ms + _TAILS[f".{(fraction or '')[:3]:0<3}Z"]


def format_instant(ms: int) -> str:
    """
    Return *ms* as RFC 3339 in UTC, always with three digits of a second.

    Raises:
        ValueError: *ms* lies outside the years 0001 to 9999.

    >>> format_instant(1774823400000)
    '2026-03-29T22:30:00.000Z'
    """
    day, ms_of_day = divmod(ms, MS_PER_DAY)
    minute, ms_of_minute = divmod(ms_of_day, MS_PER_MINUTE)
    second, ms_of_second = divmod(ms_of_minute, MS_PER_SECOND)
    return f"{_date_of(day)}T{_CLOCK[minute]}:{second:02}.{ms_of_second:03}Z"


def parse_duration(text: str) -> int:
    """
    Return the milliseconds of *text*: a whole number and one of `s m h d w`; a day has 24 hours.

    Raises:
        ValueError: *text* is something else (a sign, a fraction, two units, over nine digits).

    >>> parse_duration("14d") == parse_duration("2w") == 14 * MS_PER_DAY
    True
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; write 45s, 30m, 12h, 14d or 2w")
    return int(match[1]) * _UNITS[match[2]]


def format_duration(ms: int) -> str:
    """
    Return *ms* as `parse_duration` reads it, in the largest of days, hours, minutes, seconds that is exact.

    Weeks are written as days, as people compare them: 7d, 14d, 30d.

    Raises:
        ValueError: *ms* is negative or not a whole number of seconds.

    >>> format_duration(3 * MS_PER_DAY), format_duration(36 * MS_PER_HOUR), format_duration(0)
    ('3d', '36h', '0s')
    """
    if ms < 0 or ms % MS_PER_SECOND:
        raise ValueError(f"{ms} ms is no whole number of seconds from 0 up")
    for unit in "dhm":
        if ms and ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms // MS_PER_SECOND}s"


@lru_cache(maxsize=4096)  # instants cluster on days
def _date_of(day: int) -> str:
    return _to_datetime(day * MS_PER_DAY).date().isoformat()


@lru_cache(maxsize=4096)  # events cluster on days
def _midnight_ms(date: str) -> int:
    if _DATE.fullmatch(date) is None:  # fromisoformat also takes 2026-W13-7 and 20260329
        raise ValueError("no date")
    return (datetime.fromisoformat(date).replace(tzinfo=UTC) - _EPOCH) // _MS


def _starts_a_month(ms: int) -> bool:
    return ms % MS_PER_DAY == 0 and _to_datetime(ms).day == 1


def _to_datetime(ms: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        raise ValueError(f"{ms} ms lies outside the years 0001 to 9999") from None
