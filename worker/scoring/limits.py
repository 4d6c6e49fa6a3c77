"""How often a rule may award: one kind of limit a class, each a pure test on the instants or counts it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Period = Literal["day", "week", "month"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rolling:
    """Fewer than *times* awards in ``(t - within_ms, t]``. State: the newest *times* award instants, oldest first."""

    times: int
    within_ms: int

    def allows(self, state: list[int], at_ms: int) -> bool:
        """Whether one more award at *at_ms* is allowed; *at_ms* is at or after every instant kept."""
        return len(state) < self.times or state[-self.times] <= at_ms - self.within_ms

    def record(self, state: list[int], at_ms: int) -> None:
        """Remember an award at *at_ms*."""
        state.append(at_ms)
        del state[: -self.times]


@dataclass(frozen=True)
class Calendar:
    """Fewer than *times* awards in one civil day, ISO week or month of *time_zone*. State: [period number, count]."""

    times: int
    per: Period
    time_zone: str

    @cached_property
    def _zone(self) -> ZoneInfo | None:
        return None if self.time_zone == "UTC" else ZoneInfo(self.time_zone)

    def allows(self, state: list[int], at_ms: int) -> bool:
        """Whether one more award at *at_ms* is allowed."""
        return not state or state[0] != period_number(self.per, at_ms, self._zone) or state[1] < self.times

    def record(self, state: list[int], at_ms: int) -> None:
        """Count an award at *at_ms*."""
        number = period_number(self.per, at_ms, self._zone)
        if state and state[0] == number:
            state[1] += 1
        else:
            state[:] = [number, 1]


Limit = Rolling | Calendar


@lru_cache(maxsize=65_536)
def _offset_ms(minute: int, zone: ZoneInfo) -> int:
    """Return the offset of *zone* from UTC in *minute*; some zones have changed at one minute past midnight."""
    offset = (_EPOCH + timedelta(minutes=minute)).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


def period_number(per: Period, at_ms: int, zone: ZoneInfo | None) -> int:
    """
    Return a number that is equal for two instants exactly when they share a civil day, ISO week or month of *zone* (None: UTC).

    >>> period_number("day", 86_400_000, None)
    1
    """
    if zone is not None:
        at_ms += _offset_ms(at_ms // 60_000, zone)
    day = at_ms // 86_400_000
    if per == "day":
        return day
    if per == "week":
        return (day + 3) // 7  # 1970-01-01 was a Thursday; ISO weeks begin on Monday
    date = _EPOCH + timedelta(days=day)
    return date.year * 12 + date.month - 1
