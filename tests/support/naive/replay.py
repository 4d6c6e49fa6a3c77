"""A whole file of events, contact by contact, in the order of their arrival: who ends where, and what sales was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.support.naive.contact import Contact
from tests.support.naive.events import read_event
from tests.support.naive.model import Model, lateness_ms


class NaiveReplay(NamedTuple):
    """
    The lines of `scores.csv` and `transitions.jsonl` as values, and (what, kind of transition or nothing) -> how many.

    A transition has `attributes` too where the model includes some; one that an erasure caused has neither those nor a
    score or tier. *statuses* holds the latch of each row, or `held`.
    """

    rows: list[dict[str, Any]]
    transitions: list[dict[str, Any]]
    counts: Counter[tuple[str, str]]
    statuses: dict[str, str]


def naive_replay(
    model: Model,
    events: Iterable[Mapping[str, Any]],
    as_of: int | None = None,
    *,
    publish_tiers: bool = False,
    emit_since: int | None = None,
) -> NaiveReplay:
    """
    Replay *events* in the order given, as one partition in stream time; events after *as_of* (ms) are left out.

    Without *as_of* scores are read at the newest `occurred_at` of all. With *publish_tiers* changes of tier are told
    too; what is told before *emit_since* (ms) is kept back.
    """
    arrived = [read_event(one) for one in events]
    if as_of is not None:
        arrived = [event for event in arrived if event.at <= as_of]
    end = max((event.at for event in arrived), default=0) if as_of is None else as_of
    contacts: dict[str, Contact] = {}
    newest = 0
    for event in arrived:
        newest = max(newest, event.at)
        if event.contact_id not in contacts:
            contacts[event.contact_id] = Contact(model, event.contact_id, publish_tiers, emit_since)
        contacts[event.contact_id].receive(event, newest - lateness_ms(model))
    counts: Counter[tuple[str, str]] = Counter()
    for contact in contacts.values():
        contact.let_time_pass(end)
        counts += contact.counts
    in_order = sorted(contacts.values(), key=lambda one: one.id.encode())
    known = [one for one in in_order if one.base or one.journal]
    told = [one for contact in in_order for one in contact.transitions]
    told.sort(key=lambda one: (one["contact_id"].encode(), one["epoch"], one["sequence"], one["kind"]))
    return NaiveReplay([one.row(end) for one in known], told, counts, {one.id: one.status(end) for one in known})
