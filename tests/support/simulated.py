"""Traffic of a believable company as lines of a history, for runs that need no recording."""

from __future__ import annotations

from itertools import islice

import orjson

from worker.contracts.instants import MS_PER_DAY, parse_instant
from worker.demo.traffic import company_events

MODEL = "simple-100"
START_MS = parse_instant("2026-01-05T00:00:00Z")


def simulated_lines(events: int, *, days: int, contacts: int, seed: int) -> list[bytes]:
    """Return the first *events* events of *days* days, in order of time; there must be as many."""
    story = company_events(seed=seed, contacts=contacts, start_ms=START_MS, end_ms=START_MS + days * MS_PER_DAY)
    lines = [orjson.dumps(event) for _, event in islice(story, events)]
    assert len(lines) == events, f"only {len(lines)} events in {days} days of {contacts} contacts"
    return lines
