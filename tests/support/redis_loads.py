"""Parts of a restore as they are given to a store, and what they add up to, worked out apart from it."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.support.redis_rounds import again
from worker.stores import ContactStore


def due_of(_key: bytes, value: bytes) -> int | None:
    """Say that a contact is due at the instant that its value begins with."""
    return int.from_bytes(value[:4], "big") if value else None


class Loads:
    """Batches of a restore, and what they add up to."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.rows: dict[bytes, bytes] = {}
        self.offset: int | None = None

    def load_next(self, call: Callable[[dict[bytes, bytes | None], int | None, int], None]) -> None:
        """Give the next batch, the offset expected and the new one to *call*, again until the store answers."""
        chance = self._random
        keys = [b"contact-%03d" % chance.randrange(300) for _ in range(60)]
        batch = {key: chance.randbytes(100) if chance.random() < 0.9 else None for key in keys}
        expected, self.offset = self.offset, (-1 if self.offset is None else self.offset) + len(keys)
        again(lambda: call(batch, expected, self.offset or 0))
        for key, value in batch.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value

    def assert_in(self, store: ContactStore, partition: int) -> None:
        """The store holds what was loaded, and nothing else."""
        due = [(entry.at_ms, entry.key) for entry in store.due_before(partition, 2**62, 10**6)]
        assert list(store.iterate(partition)) == sorted(self.rows.items())
        assert due == sorted((int.from_bytes(value[:4], "big"), key) for key, value in self.rows.items())
        assert store.changelog_offset(partition) == self.offset


def load(
    store: ContactStore, partition: int, batch: dict[bytes, bytes | None], expected: int | None, offset: int
) -> None:
    store.load(partition, batch, due_of, expected, offset)


def end(store: ContactStore, partition: int) -> None:
    for _ in store.end_load(partition, due_of):
        pass
