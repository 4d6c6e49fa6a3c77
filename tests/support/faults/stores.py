"""The stores under test: how a worker is told of one, how its state is wiped, and how it is read from outside afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import redis

from tests.support.cluster import wipe_directory
from worker.stores import ContactStore, open_store


class StoreUnderTest(Protocol):
    """One kind of store."""

    @property
    def name(self) -> str:
        """For the table of figures."""
        ...

    @property
    def environ(self) -> dict[str, str]:
        """What a worker must be told."""
        ...

    def wipe(self, home: Path, app_id: str) -> None:
        """Forget the state of the worker that lives in *home*."""

    def opened(self, homes: Iterable[Path], app_id: str) -> Iterator[tuple[str, ContactStore]]:
        """Yield each store that workers of *homes* left, by a name for texts; no worker runs."""


class RocksDbUnderTest:
    """RocksDB, a directory of each worker's own."""

    name = "rocksdb"
    environ: dict[str, str] = {}  # noqa: RUF012 - the default of the worker

    def wipe(self, home: Path, app_id: str) -> None:
        """Remove the directory."""
        wipe_directory(home)

    def opened(self, homes: Iterable[Path], app_id: str) -> Iterator[tuple[str, ContactStore]]:
        """Yield that of each worker."""
        for home in homes:
            if (home / "state").is_dir():
                with _opened(f"rocksdb://{home / 'state'}", app_id) as store:
                    yield home.name, store


class RedisUnderTest:
    """
    Redis, which all workers share.

    Args:
        url: With a database of its own.
        name: For the table.
    """

    def __init__(self, url: str, name: str = "redis") -> None:
        self.name = name
        self.environ = {"LEADSCORE_STORE": url}

    def wipe(self, home: Path, app_id: str) -> None:
        """Empty the whole server: there is nothing that belongs to one worker alone."""
        with redis.Redis.from_url(self.environ["LEADSCORE_STORE"]) as client:
            client.flushall()

    def opened(self, homes: Iterable[Path], app_id: str) -> Iterator[tuple[str, ContactStore]]:
        """Yield the one."""
        with _opened(self.environ["LEADSCORE_STORE"], app_id) as store:
            yield self.name, store


@contextmanager
def _opened(url: str, app_id: str) -> Iterator[ContactStore]:
    store = open_store(url, app_id=app_id)
    store.claim()
    try:
        yield store
    finally:
        store.close_all()


ROCKSDB = RocksDbUnderTest()
