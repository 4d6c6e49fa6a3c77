"""The memory of decoded contacts: one budget for all partitions of a process."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from uuid import UUID

import pytest

from tests.support.small import (
    START,
    SmallRecord,
    drained,
    event_value,
    nothing_stored,
    rule,
    small_model,
    small_partition,
)
from worker.pipeline import CacheBudget, Partition
from worker.scoring.model_file import load_model

MODEL = small_model(rule("act", 10))
ROOMY = 1 << 40


class Stored:
    """What a partition has written."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.values.get(key) for key in keys]


def record(offset: int, *, contact: str, event_type: str = "act", after_ms: int = 0) -> SmallRecord:
    at_ms = START + after_ms
    event_id = str(UUID(int=offset))
    return SmallRecord(offset, event_value(event_type, at_ms, event_id, contact=contact), contact.encode(), at_ms)


def partitions(budget: CacheBudget, count: int) -> list[Partition]:
    return [small_partition(MODEL, budget=budget) for _ in range(count)]


def take(partition: Partition, names: str, *, start: int = 0) -> None:
    """Fold an event of each contact, one letter each, in rounds of two that are then in the store."""
    for place in range(0, len(names), 2):
        both = names[place : place + 2]
        partition.fold([record(start + place + n, contact=name) for n, name in enumerate(both)], nothing_stored)
        drained(partition)


def one_contact_bytes() -> int:
    budget = CacheBudget(ROOMY)
    take(small_partition(MODEL, budget=budget), "a")
    return budget.used


def test_partitions_together_keep_no_more_than_the_budget() -> None:
    budget = CacheBudget(40 * one_contact_bytes())
    parts = partitions(budget, 4)
    for start in range(0, 200, 2):
        for part in parts:
            part.fold([record(start + n, contact=f"c{start + n}") for n in range(2)], nothing_stored)
            drained(part)
            assert sum(one.cached_bytes for one in parts) == budget.used <= budget.limit
    assert 30 <= sum(one.cached_contacts for one in parts) <= 40, "and as many as fit"


def test_quiet_partition_keeps_its_share_and_a_busy_one_gets_the_rest() -> None:
    budget = CacheBudget(20 * one_contact_bytes())
    quiet, busy = partitions(budget, 2)
    take(quiet, "abcd")
    take(busy, "abcdefghijklmnopqrstuvwxyz")
    assert quiet.cached_contacts == 4
    assert 12 <= busy.cached_contacts <= 16


def test_partition_that_grows_takes_from_those_that_have_more_than_their_share() -> None:
    budget = CacheBudget(20 * one_contact_bytes())
    first, second = partitions(budget, 2)
    take(first, "abcdefghijklmnopqrst")
    take(second, "abcdefgh")
    assert (first.cached_contacts <= 12, second.cached_contacts) == (True, 8)


def test_partition_that_is_given_up_gives_its_share_back() -> None:
    budget = CacheBudget(20 * one_contact_bytes())
    given_up, kept = partitions(budget, 2)
    take(given_up, "abcdefghij")
    given_up.close()
    assert (budget.used, given_up.cached_contacts) == (0, 0)
    take(kept, "abcdefghijklmnopqrs")
    assert kept.cached_contacts == 19


def test_what_rounds_hold_stays_though_it_is_more_than_the_budget_and_rounds_had_better_end() -> None:
    """If it left, it would be read back as it was before."""
    budget = CacheBudget(2 * one_contact_bytes())
    one, other = partitions(budget, 2)
    one.fold([record(n, contact=name) for n, name in enumerate("abc")], nothing_stored)
    assert one.cached_contacts == 3
    assert one.is_short_of_memory
    assert not other.is_short_of_memory, "it holds nothing that could be written"
    assert one.drain() is not None
    assert one.cached_contacts == 3, "under way"
    one.settled()
    assert one.cached_contacts <= 2
    assert not budget.is_exceeded


def test_contact_that_only_a_repeat_has_brought_into_memory_leaves_it_again() -> None:
    stored = Stored()
    budget = CacheBudget(ROOMY)
    part = small_partition(MODEL, budget=budget)
    part.fold([record(0, contact="a")], stored.get_many)
    stored.values |= drained(part).puts
    budget.limit = 0
    part.fold([record(0, contact="a")], stored.get_many)
    assert (part.cached_contacts, budget.used) == (0, 0)


def test_contact_is_counted_anew_when_it_is_written() -> None:
    budget = CacheBudget(ROOMY)
    part = small_partition(MODEL, budget=budget)
    take(part, "a")
    before = budget.used
    for start in range(1, 30):
        take(part, "a", start=start)
    assert part.cached_contacts == 1
    assert budget.used > before + 29 * 64, "29 more ids are remembered"


@pytest.mark.parametrize(("events", "apart_ms"), [(1, 60_000), (5, 60_000), (12, 6 * 3_600_000), (40, 3 * 86_400_000)])
def test_contacts_take_about_the_memory_that_is_counted_for_them(events: int, apart_ms: int) -> None:
    """If this fails a worker takes more memory than LEADSCORE_CACHE_BYTES says, or leaves much of it unused."""
    types = ("page.viewed", "email.opened", "session.started", "form.submitted", "email.replied")
    contacts = 300
    records = [
        record(
            1 + place * contacts + contact,
            contact=f"contact-{contact:04}",
            event_type=types[(place + contact) % 5],
            after_ms=place * apart_ms,
        )
        for place in range(events)
        for contact in range(contacts)
    ]
    budget = CacheBudget(ROOMY)
    part = small_partition(load_model("simple-100"), budget=budget)
    part.fold([record(0, contact="another", event_type="page.viewed")], nothing_stored)
    drained(part)
    gc.collect()
    tracemalloc.start()
    try:
        before, counted = tracemalloc.get_traced_memory()[0], budget.used
        part.fold(records, nothing_stored)
        drained(part)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert part.cached_contacts == contacts + 1
    assert taken < 1.1 * (budget.used - counted) < 3 * taken
