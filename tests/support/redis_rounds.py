"""Rounds against a store and the changelog that they stand in: what must be in the store at any offset, worked out apart from it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from worker.clock import Deadline, pause
from worker.errors import RestartRequired, StoreUnavailable
from worker.stores import ContactStore, DueChange
from worker.stores import redis_layout as layout

KEYS = layout.keys_of("lead-scoring", 0)
"""Of partition 0, in the stores that `connect` makes."""


class Written(NamedTuple):
    """One round: as it is given to a store, and the changelog offset that it ends at."""

    puts: dict[bytes, bytes]
    deletes: list[bytes]
    due: list[DueChange]
    offset: int


class State(NamedTuple):
    """All that can be seen of a partition."""

    rows: list[tuple[bytes, bytes]]
    due: list[tuple[int, bytes]]
    offset: int | None


class Changelog:
    """
    Makes rounds over a few contacts, keeps them, and knows the state after each.

    Args:
        seed: Of the choices.
        keys: How many contacts there are.
    """

    def __init__(self, seed: int, *, keys: int = 200) -> None:
        self._random = random.Random(seed)
        self._keys = [b"contact-%04d" % number for number in range(keys)]
        self._due: dict[bytes, int] = {}
        self.rounds: list[Written] = []

    def next_round(self, size: int = 20) -> Written:
        """Return a new round that changes *size* contacts."""
        chance, last = self._random, self.rounds[-1].offset if self.rounds else -1
        touched = chance.sample(self._keys, size)
        deletes = touched[: size // 5]
        puts = {key: chance.randbytes(chance.randrange(1, 400)) for key in touched[size // 5 :]}
        due = []
        for key in touched:
            old = self._due.pop(key, None)
            new = chance.randrange(10**6) if key in puts and chance.random() < 0.8 else None
            if new is not None:
                self._due[key] = new
            if old != new:
                due.append(DueChange(key, old, new))
        self.rounds.append(Written(puts, deletes, due, last + len(touched) + chance.randrange(1, 3)))
        return self.rounds[-1]

    def state_at(self, offset: int | None) -> State:
        """Return what a store has to hold that stands at *offset*, which must be the end of a round."""
        rows: dict[bytes, bytes] = {}
        due: set[tuple[int, bytes]] = set()
        assert offset is None or any(one.offset == offset for one in self.rounds), "no round ends at that offset"
        for one in self.rounds:
            if offset is None or one.offset > offset:
                break
            rows |= one.puts
            rows = {key: value for key, value in rows.items() if key not in set(one.deletes)}
            for key, old, new in one.due:
                due -= {(old, key)} if old is not None else set()
                due |= {(new, key)} if new is not None else set()
        return State(sorted(rows.items()), sorted(due), offset)

    def restore(self, store: ContactStore, partition: int = 0) -> int:
        """Open *partition* and write what it lacks; return how many rounds that were."""
        store.open(partition)
        stands_at = store.changelog_offset(partition)
        lacking = [one for one in self.rounds if stands_at is None or one.offset > stands_at]
        for one in lacking:
            write(store, one, store.changelog_offset(partition), partition)
        return len(lacking)


def write(store: ContactStore, one: Written, expected: int | None, partition: int = 0) -> None:
    """Write *one* round."""
    store.write(partition, one.puts, one.deletes, one.due, expected, one.offset)


def seen(store: ContactStore, partition: int = 0) -> State:
    """Return what *store* holds."""
    rows = list(store.iterate(partition))
    keys = [key for key, _ in rows]
    assert store.get_many(partition, keys) == [value for _, value in rows]
    due = [(entry.at_ms, entry.key) for entry in store.due_before(partition, 2**62, 10**6)]
    return State(rows, due, store.changelog_offset(partition))


def starts_anew(store: ContactStore) -> bool:
    """Whether *store* says, at a read, that its partition 0 must be opened anew."""
    try:
        store.get_many(0, [b"contact-0000"])
    except RestartRequired:
        return True
    return False


def fill(store: ContactStore, rounds: int, changelog: Changelog | None = None) -> Changelog:
    """Write *rounds* more rounds of *changelog*, or of a new one, to partition 0; return it."""
    changelog = changelog or Changelog(1)
    for _ in range(rounds):
        write(store, changelog.next_round(), store.changelog_offset(0))
    return changelog


def wait_until(condition: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    deadline = Deadline(within_s)
    while not condition():
        assert not deadline.has_passed, what
        pause(0.02)


def again(call: Callable[[], object]) -> None:
    """Repeat *call* until the store answers, as the worker does."""

    def answered() -> bool:
        try:
            call()
        except StoreUnavailable:
            return False
        return True

    wait_until(answered, "the store answers again")
