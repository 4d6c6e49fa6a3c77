"""How many bytes a stored contact with ten events in its window takes, under each shipped model."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import orjson

from tests.support.bench_core import drain_core, records_of
from tests.support.bench_events import event_of
from worker.contracts.instants import MS_PER_HOUR, parse_instant
from worker.scoring.model_file import load_model
from worker.scoring.size import worst_case_bytes

START_MS = parse_instant("2026-03-02T08:00:00Z")
APART_MS = 6 * MS_PER_HOUR  # ten of them lie within the three days of every shipped model's window
BUDGET_BYTES = 300
"""For ten events of an open lead: instants, ids (16 bytes each) and the rule of each. What has to be remembered beside comes on top."""
ONCE_KEY_BYTES = 8
READY_BYTES = 45
"""What sales was told, and when."""
LEAST_SHRINKING = 5
"""How many times smaller a contact's value is than the JSON of the events in its window."""


class Contact(NamedTuple):
    """Ten events: those of *kinds*, twice."""

    model: str
    name: str
    once_keys: int  # that the state has to remember
    kinds: str


CONTACTS = (
    Contact("simple-100", "no once-keys", 0, "session.started page.viewed email.replied email.unsubscribed email.spam_reported"),
    Contact("simple-100", "six once-keys", 6, "session.started page.viewed email.opened email.clicked form.submitted"),
    Contact("simple-100", "ten once-keys", 10, "email.opened email.clicked email.opened email.clicked form.submitted"),
    Contact("simple-100", "six once-keys, ready", 6, "session.started demo.requested email.opened email.clicked form.submitted"),
    Contact("b2b-fit", "no once-keys, ready", 0, "page.viewed webinar.registered newsletter.subscribed page.viewed demo.requested"),
    Contact("b2b-fit", "two once-keys", 2, "page.viewed newsletter.subscribed page.viewed newsletter.subscribed asset.downloaded"),
    Contact("b2b-fit", "four of them contact.updated", 0, "page.viewed newsletter.subscribed page.viewed contact.updated contact.updated"),
    Contact("daily-fade", "no once-keys", 0, "page.viewed email.opened email.clicked session.started session.started"),
    Contact("daily-fade", "two once-keys", 2, "email.opened email.opened email.clicked session.started asset.downloaded"),
)  # fmt: skip


def test_stored_contact_of_ten_events_is_small() -> None:
    """If this fails, disks, changelogs and restores grow for every contact."""
    print(
        "\n| model | ten events | stored | beside keys and latch | received | worst case |\n|---|---|---|---|---|---|"
    )
    for contact in CONTACTS:
        size = _size(contact.model, contact.kinds.split() * 2)
        plain = size.stored - ONCE_KEY_BYTES * contact.once_keys - READY_BYTES * size.is_ready
        worst = worst_case_bytes(load_model(contact.model))
        print(
            f"| {contact.model} | {contact.name} | {size.stored} B | {plain} B | {size.received:,} B | {worst / 1024:,.0f} KiB |"
        )
        assert size.is_ready == contact.name.endswith("ready"), contact
        assert size.stored < size.received / LEAST_SHRINKING, contact
        assert size.stored <= worst, contact
        # Attributes are as long as producers make them.
        assert plain < BUDGET_BYTES or "contact.updated" in contact.kinds, contact


class _Size(NamedTuple):
    stored: int
    received: int
    is_ready: bool


def _size(model: str, kinds: Sequence[str]) -> _Size:
    """Return the bytes that are stored of a contact with events of *kinds*, and the bytes of these events."""
    random = Random(1)
    events = []
    for number, kind in enumerate(kinds):
        event = event_of(random, "one", kind, START_MS + number * APART_MS + random.randrange(1_000))
        if kind == "page.viewed":
            event["properties"]["path"] = "/pricing"
        events.append(("one", orjson.dumps(event)))
    run = drain_core(load_model(model), list(records_of(events)), round_events=len(events))
    return _Size(len(run.store.values[b"one"]), sum(len(value) for _, value in events), run.transitions > 0)
