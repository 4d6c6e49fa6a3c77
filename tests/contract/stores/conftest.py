from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.support.needs import missing
from tests.support.redis_package import NoRedisError, redis_program
from tests.support.redis_server import LIMITED_NAME, LIMITED_PASSWORD, LIMITED_USER, RedisServer
from worker.settings.store_url import parse_server_url
from worker.stores import ContactStore, open_store
from worker.stores.redis import RedisStore
from worker.stores.redis_access import RedisAccess

OpenStore = Callable[[], ContactStore]
OpenRedis = Callable[[RedisServer], RedisStore]
OpenUrl = Callable[..., RedisStore]


@pytest.fixture(scope="session")
def redis_is_there() -> None:
    """Skip, or fail where nothing may be missing, when there is no Redis server to be had."""
    try:
        redis_program()
    except NoRedisError as reason:
        missing(str(reason))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of one test's own that saves nothing."""
    with RedisServer(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def connect() -> Iterator[OpenRedis]:
    """Makes stores of one app id, each as another process would: with little patience, and no partition open yet."""
    with ExitStack() as at_end:

        def make(server: RedisServer) -> RedisStore:
            access = RedisAccess(timeout_ms=500)
            store = RedisStore(parse_server_url(server.url), app_id="lead-scoring", access=access)
            at_end.callback(store.close_all)
            return store

        yield make


@pytest.fixture
def opened() -> Iterator[OpenUrl]:
    """Makes stores that nothing has been asked of yet."""
    with ExitStack() as at_end:

        def make(url: str, *, start_within_s: float = 0.5, **access: object) -> RedisStore:
            settings = RedisAccess(**{"timeout_ms": 2_000, **access})  # type: ignore[arg-type]
            store = RedisStore(
                parse_server_url(url), app_id="lead-scoring", access=settings, start_within_s=start_within_s
            )
            at_end.callback(store.close_all)
            return store

        yield make


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
