"""
When something happens in a case, as people say it: `day 30`, `3 days later`, `1ms before day 30`, `2026-03-29`.

.. code-block:: text

    at     = point | span "later" | span ("before" | "after") point
    point  = instant            RFC 3339 with offset: 2026-03-29T23:30:00+01:00
           | date [clock]       midnight UTC, or that time of day in UTC: 2026-03-29, 2026-03-29 13:00
           | "day" n [clock]    n days after the start of the case: day 0, day 30 13:00
    clock  = hh:mm[:ss[.fff]]
    span   = (n unit)+          12h, 3 days, 1 day 2 hours; ms s m h d w, or the word
"""

from __future__ import annotations

import re
from typing import Final

from worker.contracts.instants import (
    MAX_INSTANT_MS,
    MIN_INSTANT_MS,
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_MINUTE,
    MS_PER_SECOND,
    MS_PER_WEEK,
    format_instant,
    parse_instant,
)

EXAMPLES: Final = "day 30, day 30 13:00, 3 days later, 12h later, 1ms before day 30, 2026-03-29 or 2026-03-29T13:00:00Z"
"""What can be written, for messages."""

_UNITS: Final = {
    "ms": 1,
    "s": MS_PER_SECOND,
    "m": MS_PER_MINUTE,
    "h": MS_PER_HOUR,
    "d": MS_PER_DAY,
    "w": MS_PER_WEEK,
    "millisecond": 1,
    "second": MS_PER_SECOND,
    "minute": MS_PER_MINUTE,
    "hour": MS_PER_HOUR,
    "day": MS_PER_DAY,
    "week": MS_PER_WEEK,
}
_PART: Final = r"([0-9]{1,9}) ?(ms|[smhdw]|(?:millisecond|second|minute|hour|day|week)s?)"
_SPAN: Final = re.compile(rf"{_PART}(?: {_PART})*")
_DAY: Final = re.compile(r"day (-?[0-9]{1,6})(?: (.+))?")
_DATE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: (.+))?")
_CLOCK: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,3})?)?")
_SECONDS_START: Final = len("hh:mm")


def parse_at(text: str, start_ms: int, previous_ms: int) -> int:
    """
    Return the instant that *text* says, in UTC ms.

    Args:
        text: See the top of this module.
        start_ms: `day 0`, a midnight.
        previous_ms: What `later` counts from: the line before.

    Raises:
        ValueError: *text* says no instant from 1990 to 2099.

    >>> parse_at("day 2", 978_307_200_000, 0) - 978_307_200_000
    172800000
    >>> parse_at("1 hour 30m later", 978_307_200_000, 1_000_000_000_000)
    1000005400000
    """
    at_ms = _parse(text, start_ms, previous_ms)
    if not MIN_INSTANT_MS <= at_ms <= MAX_INSTANT_MS:
        raise ValueError("outside the years 1990 to 2099")
    return at_ms


def check_at(text: str) -> None:
    """
    Check that *text* says an instant, whatever it counts from.

    Raises:
        ValueError: it says none.
    """
    _parse(text, 0, 0)


def _parse(text: str, start_ms: int, previous_ms: int) -> int:
    words = " ".join(text.split())
    if words.endswith(" later"):
        return previous_ms + _span(words.removesuffix(" later"))
    if " before " in words:
        span, _, point = words.partition(" before ")
        return _point(point, start_ms) - _span(span)
    if " after " in words:
        span, _, point = words.partition(" after ")
        return _point(point, start_ms) + _span(span)
    return _point(words, start_ms)


def parse_start(text: str) -> int:
    """
    Return the midnight (UTC) with which the date *text* begins.

    Raises:
        ValueError: *text* is no date from 1990 to 2099.
    """
    match = _DATE.fullmatch(text)
    if match is None or match[2] is not None:
        raise ValueError("no date")
    start_ms = parse_instant(f"{match[1]}T00:00:00Z")
    if not MIN_INSTANT_MS <= start_ms <= MAX_INSTANT_MS:
        raise ValueError("outside the years 1990 to 2099")
    return start_ms


def format_at(at_ms: int, start_ms: int) -> str:
    """
    Return *at_ms* for a reader of the case: the day, the time unless it is midnight, and the instant itself.

    >>> format_at(978_307_200_000 + 30 * 86_400_000, 978_307_200_000)
    'day 30 (2001-01-31T00:00:00.000Z)'
    """
    day, ms = divmod(at_ms - start_ms, MS_PER_DAY)
    instant = format_instant(at_ms)
    clock = "" if not ms else " " + instant[11:-1].removesuffix(".000").removesuffix(":00")
    return f"day {day}{clock} ({instant})"


def _span(text: str) -> int:
    if _SPAN.fullmatch(text) is None:
        raise ValueError("no span of time")
    return sum(int(number) * _UNITS[unit if len(unit) < 3 else unit.removesuffix("s")] for number, unit in _parts(text))


def _parts(text: str) -> list[tuple[str, str]]:
    return re.findall(_PART, text)


def _point(text: str, start_ms: int) -> int:
    if match := _DAY.fullmatch(text):
        return start_ms + int(match[1]) * MS_PER_DAY + _clock(match[2])
    if match := _DATE.fullmatch(text):
        return parse_instant(f"{match[1]}T00:00:00Z") + _clock(match[2])
    return parse_instant(text)


def _clock(text: str | None) -> int:
    """Return *text* as ms after midnight."""
    if text is None:
        return 0
    if _CLOCK.fullmatch(text) is None:
        raise ValueError("no time of day")
    seconds = text[_SECONDS_START:] or ":00"
    return parse_instant(f"1970-01-01T{text[:_SECONDS_START]}{seconds}Z")
