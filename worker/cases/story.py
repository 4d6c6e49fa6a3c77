"""One contact's story out of a recorded history: its own events, and how far time had moved before each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from worker.contracts.event_decoding import decode_event
from worker.errors import EventRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLOCK = "time.passed"
"""The type of the events that stand for those of other contacts: they move time, nothing else."""


@dataclass
class Story:
    """What a history says of one contact."""

    contact_id: str
    payloads: list[bytes] = field(default_factory=list)  # in the order of arrival
    events: int = 0  # of the contact
    refused: int = 0  # lines that hold no event
    newest_ms: int | None = None  # newest event time of the whole history, up to the instant it is read for


def read_story(lines: Iterable[bytes], contact_id: str, until_ms: int | None) -> Story:
    """
    Return the story of *contact_id* in *lines*, events as JSON; those later than *until_ms* are left out.

    A late event counts differently when time had moved on by the events of others; these are kept as one event that says so.
    """
    story = Story(contact_id)
    told_ms: int | None = None  # how far the events kept so far have moved time
    for line in lines:
        text = line.strip()
        if not text:
            continue
        try:
            event = decode_event(text, None)
        except EventRefused:
            story.refused += 1
            continue
        at_ms = event.occurred_at
        if until_ms is not None and at_ms > until_ms:
            continue
        newest_ms = story.newest_ms
        if event.contact_id == contact_id:
            if newest_ms is not None and (told_ms is None or newest_ms > told_ms):
                story.payloads.append(_clock(contact_id, newest_ms))
                told_ms = newest_ms
            story.payloads.append(text)
            story.events += 1
            told_ms = at_ms if told_ms is None else max(told_ms, at_ms)
        story.newest_ms = at_ms if newest_ms is None else max(newest_ms, at_ms)
    return story


def _clock(contact_id: str, at_ms: int) -> bytes:
    """Return an event of somebody else at *at_ms*."""
    other = "somebody" if contact_id != "somebody" else "somebody else"
    return orjson.dumps({"id": f"{at_ms}", "contact_id": other, "type": _CLOCK, "occurred_at": at_ms})
