"""
Seeded load of which the right answer is known beforehand: contact k, event i, with every nuisance that producers are known for.

Nothing here knows how the worker scores. What a contact's events come to is `points`; which of them count, the load knows because
it made them: repeats, noise and poison do not, late ones and those from the future do.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal, NamedTuple

import orjson

from tests.support.faults.points import NOISE, Tally, closed_form, form_of, tally, type_of
from tests.support.invalid_examples import InvalidExample, load_invalid_examples
from tests.support.kafka import Sent
from worker.clock import now_ms
from worker.contracts.instants import MS_PER_DAY
from worker.contracts.partitioner import partition_of

CANARY = "kanarie-q7x"
"""Begin of every contact id and mail address: must be nowhere but in topics and stores."""
EXAMPLE_HEADER = "example"
_EVENT_MS = 5_000  # of event time from one record to the next
_APART = 20  # contacts of a nuisance that needs contacts of its own
_SOON = 40  # entries after which a repeat comes at the latest

Sort = Literal["event", "repeat", "noise", "poison"]


@dataclass(frozen=True, kw_only=True)
class Nuisances:
    """
    How much of what, as shares of all records.

    Args:
        repeats: Same id again, at a later offset.
        late: Beyond the model's lateness.
        future: A year ahead; clamped by the worker.
        noise: Types that no rule knows.
        poison: No event at all, each malformed kind in turn.
        keyless: Without a record key, in any partition.
        misplaced: In another partition than the key says.
    """

    repeats: float = 0.03
    late: float = 0.03
    future: float = 0.01
    noise: float = 0.03
    poison: float = 0.0
    keyless: float = 0.0
    misplaced: float = 0.0


EVERYTHING = Nuisances(poison=0.01, keyless=0.01, misplaced=0.02)
"""All of them."""


class Entry(NamedTuple):
    """One record of the load, and what it is."""

    sent: Sent
    sort: Sort
    contact: str = ""  # empty for poison
    number: int = -1  # of the contact's event
    event_id: str = ""
    example: InvalidExample | None = None  # what is wrong with it


@dataclass(frozen=True)
class Load:
    """
    Records in the order in which they are sent.

    Args:
        seed: What they were drawn from.
        entries: The records.
        partitions: Of the source topic.
    """

    seed: int
    entries: Sequence[Entry]
    partitions: int = 4

    @cached_property
    def records(self) -> list[Sent]:
        """What a feed sends."""
        return [entry.sent for entry in self.entries]

    @cached_property
    def events(self) -> int:
        """How many of them count."""
        return sum(entry.sort == "event" for entry in self.entries)

    def tallies(self, missing: Collection[int] = ()) -> dict[str, Tally]:
        """
        Return what each contact must come to.

        Args:
            missing: Numbers of entries that the broker did not take. A repeat of a missing event takes its place.
        """
        gone = set(missing)
        indices: defaultdict[str, list[int]] = defaultdict(list)
        for number, entry in enumerate(self.entries):
            if entry.sort in {"event", "repeat"} and number not in gone and entry.number not in indices[entry.contact]:
                indices[entry.contact].append(entry.number)
        return {
            contact: closed_form(len(found)) if found == list(range(len(found))) else tally(found)
            for contact, found in indices.items()
            if found
        }

    def poison(self) -> Counter[str]:
        """Return how many dead letters each code must have."""
        return Counter(entry.example.code for entry in self.entries if entry.example is not None)


def draw_load(
    seed: int,
    events: int = 6_000,
    *,
    contacts: int = 300,
    hot: float = 0.1,
    partitions: int = 4,
    nuisances: Nuisances | None = None,
    padding: int = 0,
    now: int | None = None,
) -> Load:
    """
    Draw *events* records: contacts by Zipf's law, and one hot key besides.

    Args:
        seed: The same seed draws the same load, but for the time of day.
        events: Records altogether.
        contacts: Ordinary contacts.
        hot: Share of the first of them, beside what the law gives it.
        partitions: Of the source topic.
        nuisances: What else there is; a little of what makes no dead letters by default.
        padding: Bytes that each event carries for nothing.
        now: The present, ms, that event times end at; that of the clock by default.
    """
    return _Drawing(seed, contacts, hot, partitions, nuisances or Nuisances(), padding, now or now_ms()).draw(events)


@dataclass
class _Drawing:
    seed: int
    contacts: int
    hot: float
    partitions: int
    nuisances: Nuisances
    padding: int
    now: int
    counts: Counter[str] = field(default_factory=Counter)

    def draw(self, events: int) -> Load:
        self.chance = random.Random(self.seed)
        self.examples = load_invalid_examples()
        self.zipf = list(accumulate(1 / (rank + 1) for rank in range(self.contacts)))
        names = [one.name for one in fields(Nuisances)]
        shares = list(accumulate(getattr(self.nuisances, name) for name in names))
        entries: list[Entry] = []
        soon: list[tuple[int, Entry]] = []
        for number in range(events):
            at_ms = self.now - (events - number) * _EVENT_MS
            if soon and soon[0][0] <= number:
                entries.append(soon.pop(0)[1])
                continue
            which = bisect(shares, self.chance.random())
            what = names[which] if which < len(names) else ""
            if what == "poison":
                entries.append(self._poison(number))
                continue
            entries.append(self._event(what, number, at_ms))
            if what == "repeats":
                again = number + self.chance.randint(1, _SOON)
                soon.append((again, entries[-1]._replace(sort="repeat")))
                soon.sort(key=lambda one: one[0])
        return Load(self.seed, entries, self.partitions)

    def _event(self, what: str, number: int, at_ms: int) -> Entry:
        if what == "noise":
            return self._noise(number, at_ms)
        # Contacts of their own: one jump ahead in time makes older events late, and forwarding changes the order of arrival.
        is_apart = what in {"future", "keyless", "misplaced"}
        contact = f"{CANARY}-{what}-{self.chance.randrange(_APART)}" if is_apart else self._contact()
        key: bytes | None = contact.encode()
        home = partition_of(contact.encode(), self.partitions)
        index = self.counts[contact]
        self.counts[contact] += 1
        if what == "late":
            at_ms -= MS_PER_DAY
        elif what == "future":
            at_ms += 365 * MS_PER_DAY
        elif what == "keyless":
            key, home = None, sum(contact.encode()) % self.partitions
        elif what == "misplaced":
            home = (home + 1) % self.partitions
        event_id = f"{contact}-{index}"
        properties = {"form_id": form_of(index), "email": f"{contact}@example.org", "padding": "x" * self.padding}
        value = encode_event(event_id, contact, type_of(index), at_ms, properties)
        return Entry(Sent(home, key, value), "event", contact, index, event_id)

    def _contact(self) -> str:
        if self.chance.random() < self.hot:
            return f"{CANARY}-0"
        rank = bisect(self.zipf, self.chance.random() * self.zipf[-1])
        return f"{CANARY}-{min(rank, self.contacts - 1)}"

    def _noise(self, number: int, at_ms: int) -> Entry:
        contact = self._contact()
        value = encode_event(f"noise-{number}", contact, NOISE, at_ms, {})
        return Entry(Sent(partition_of(contact.encode(), self.partitions), contact.encode(), value), "noise", contact)

    def _poison(self, number: int) -> Entry:
        example = self.examples[number % len(self.examples)]
        headers = (("producer", b"mail gateway"), ("empty", b""), (EXAMPLE_HEADER, f"{number}".encode()))
        sent = Sent(self.chance.randrange(self.partitions), example.key, example.value, headers)
        return Entry(sent, "poison", example=example)


def encode_event(event_id: str, contact: str, kind: str, at_ms: int, properties: dict[str, Any]) -> bytes:
    """Return an event as a producer sends it."""
    event = {"id": event_id, "contact_id": contact, "type": kind, "occurred_at": at_ms, "properties": properties}
    return orjson.dumps(event)
