from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.support.needs import missing
from tests.support.redis_package import NoRedisError
from tests.support.redis_server import LIMITED_NAME, LIMITED_PASSWORD, LIMITED_USER, RedisServer
from worker.stores import ContactStore, open_store

OpenStore = Callable[[], ContactStore]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of this run's own that saves nothing; for tests that leave it as it was."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), users=[LIMITED_USER])
    try:
        server.start()
    except NoRedisError as reason:
        missing(str(reason))
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """LEADSCORE_TEST_REDIS_URL, or a server of this run's own, as a user who may do no more than a worker needs."""
    named = os.environ.get("LEADSCORE_TEST_REDIS_URL")
    if named:
        return named
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url.replace("://", f"://{LIMITED_NAME}:{LIMITED_PASSWORD}@")


@pytest.fixture(params=["memory", "rocksdb", "redis"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Makes stores of each kind in turn, each empty and apart from the others."""
    numbers = count()
    with ExitStack() as at_end:

        def make() -> ContactStore:
            number = next(numbers)
            match request.param:
                case "memory":
                    store = open_store("memory://")
                case "rocksdb":
                    store = open_store(f"rocksdb://{tmp_path}/{number}")
                case _:
                    store = open_store(request.getfixturevalue("redis_url"), app_id=f"test-{uuid.uuid4().hex[:12]}")
                    for partition in (0, 7):  # so that a server that is not ours is left as it was
                        at_end.callback(store.drop, partition)
            at_end.callback(store.close_all)
            return store

        yield make


@pytest.fixture
def store(new_store: OpenStore) -> ContactStore:
    """Each kind of store in turn, with partition 0 open and empty."""
    made = new_store()
    made.open(0)
    return made
