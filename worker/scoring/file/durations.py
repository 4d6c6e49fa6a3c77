"""Readers of durations; what is written in words is refused with what was meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from worker.contracts.instants import MS_PER_DAY, parse_duration
from worker.scoring.file import values
from worker.scoring.file.fields import defined, describes

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context, Reader
    from worker.scoring.file.tree import Node

MAX_DURATION_MS = 36_525 * MS_PER_DAY
_FORM = "a whole number and a unit: 45s, 30m, 12h, 14d or 2w"


def duration_from(least_ms: int, most_ms: int = MAX_DURATION_MS) -> Reader:
    """Return a reader of durations from *least_ms* to *most_ms* (100 years); what is read is in milliseconds."""

    @describes(defined("duration"))
    def read(context: Context, node: Node, path: str) -> int:
        value = values.scalar(context, node, path)
        example = f"write {_FORM}"
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise context.refusal("model.wrong_type", node, path, "a duration is wanted here", example)
        if isinstance(value, int):
            fix = f"write {value}d if days are meant ({_FORM})" if value > 0 else example
            raise context.refusal("model.wrong_type", node, path, "a duration needs a unit", fix)
        try:
            ms = parse_duration(value)
        except ValueError:
            meant = _meant_duration(value)
            fix = f"write {meant} ({_FORM})" if meant else example
            raise context.refusal("model.bad_value", node, path, "this is no duration", fix) from None
        if not least_ms <= ms <= most_ms:
            fix = f"write one from {least_ms // 1000}s to {most_ms // MS_PER_DAY}d"
            raise context.refusal("model.bad_value", node, path, "the duration is out of range", fix)
        return ms

    return read


_LOOSE = re.compile(r"\+?0*([1-9][0-9]{0,5}) *([a-z]+)")
_UNITS = {"sec": "s", "min": "m", "hour": "h", "hr": "h", "day": "d", "week": "w", "wk": "w"}


def _meant_duration(written: str) -> str | None:
    """
    Return the duration that somebody meant who wrote it in words, None if that is not clear.

    >>> _meant_duration("30 days"), _meant_duration("2 Weeks"), _meant_duration("6 months"), _meant_duration("soon")
    ('30d', '2w', '180d', None)
    """
    match = _LOOSE.fullmatch(written.strip().lower())
    if match is None:
        return None
    number, word = match.groups()
    if word in ("month", "months", "mo"):
        return f"{int(number) * 30}d"
    if word in ("year", "years", "y"):
        return f"{int(number) * 365}d"
    unit = next((unit for start, unit in _UNITS.items() if word.startswith(start)), word if len(word) == 1 else "")
    return f"{number}{unit}" if unit and unit in "smhdw" else None
