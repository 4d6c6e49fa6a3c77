"""
A scoring model of whole points, and what it must come to: sums that a child can check, sharing no code with the worker.

Event number i of a contact (from 0, in the order of arrival) gives 1 point for being there, 3 for each seven of them, and rides a
wave: nine times 10 up, then 90 down. The lead is ready at a wave of 80 and cools below 40, so each ten events tell sales twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

MODEL_NAME = "whole-points"
LATENESS_MS = 3_600_000
UP, DOWN, NOISE = "wave.rose", "wave.fell", "email.delivered"
_PERIOD, _RISE, _FALL, _FORM, _A_FORM = 10, 10, -90, 3, 7
_READY_AT, _COOLED_BELOW = 80, 40

Kind = Literal["lead.sales_ready", "lead.cooled"]


class Told(NamedTuple):
    """One transition that sales must hear of."""

    kind: Kind
    sequence: int
    number: int  # of the event that leads to it
    score: int


class Tally(NamedTuple):
    """What one contact's events come to."""

    events: int
    waves: int
    forms: int
    told: tuple[Told, ...]

    @property
    def score(self) -> int:
        """The score that the worker must show."""
        return max(0, self.events + self.waves + self.forms)


def type_of(index: int) -> str:
    """Return the type of a contact's event number *index*."""
    return DOWN if index % _PERIOD == _PERIOD - 1 else UP


def form_of(index: int) -> str:
    """Return what counts once for each seven events."""
    return str(index // _A_FORM)


def closed_form(count: int) -> Tally:
    """Return what the first *count* events come to, without going through them."""
    told = []
    for turn in range((count + 2) // _PERIOD):
        ready = turn * _PERIOD + 7
        told.append(Told("lead.sales_ready", turn + 1, ready, _score_of(ready + 1)))
        cooled = ready + 2
        if cooled < count:
            told.append(Told("lead.cooled", turn + 1, cooled, _score_of(cooled + 1)))
    return Tally(count, count % _PERIOD * _RISE, _FORM * -(-count // _A_FORM), tuple(told))


def _score_of(count: int) -> int:
    return count + count % _PERIOD * _RISE + _FORM * -(-count // _A_FORM)


def tally(indices: Iterable[int]) -> Tally:
    """Return what the events *indices*, in their order of arrival, come to; some may be missing, since the broker never took them."""
    count = waves = forms = sequence = 0
    seen: set[str] = set()
    is_ready = False
    told = []
    for index in indices:
        count += 1
        waves += _FALL if type_of(index) == DOWN else _RISE
        if form_of(index) not in seen:
            seen.add(form_of(index))
            forms += _FORM
        score = max(0, count + waves + forms)
        if not is_ready and waves >= _READY_AT:
            is_ready, sequence = True, sequence + 1
            told.append(Told("lead.sales_ready", sequence, index, score))
        elif is_ready and waves < _COOLED_BELOW:
            is_ready = False
            told.append(Told("lead.cooled", sequence, index, score))
    return Tally(count, waves, forms, tuple(told))


def write_model(directory: Path) -> Path:
    """Write the model into *directory* and return its file: JSON is YAML."""
    either = {"type": [UP, DOWN]}
    model = {
        "model": MODEL_NAME,
        "version": 1,
        "lateness": "1h",
        "groups": {"count": {}, "waves": {}, "forms": {}},
        "rules": [
            {"rule": "there", "group": "count", "when": either, "points": 1},
            {"rule": "rose", "group": "waves", "when": {"type": UP}, "points": _RISE},
            {"rule": "fell", "group": "waves", "when": {"type": DOWN}, "points": _FALL},
            {"rule": "form", "group": "forms", "when": either, "points": _FORM, "once_per": "properties.form_id"},
        ],
        "qualify": {
            "when": {"groups.waves": {"at_least": _READY_AT}},
            "rearm": {"groups.waves": {"less_than": _COOLED_BELOW}},
        },
    }
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{MODEL_NAME}.yaml"
    file.write_bytes(orjson.dumps(model, option=orjson.OPT_INDENT_2))
    return file
