"""Keys of a Redis partition in order, step by step: a model change must not stop the worker, nor leave a contact out."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.contract.stores.conftest import OpenRedis
from tests.support.redis_rounds import again
from tests.support.redis_server import RedisServer
from worker.errors import RestartRequired, StoreUnavailable
from worker.settings.store_url import parse_server_url
from worker.stores.base import ContactStore, StepwiseKeys
from worker.stores.redis import RedisStore
from worker.stores.redis_access import RedisAccess

pytestmark = pytest.mark.usefixtures("redis_is_there")

WINDOW = 1_000
chance = random.Random(4)
KEYS = sorted({chance.randbytes(chance.randrange(1, 12)) for _ in range(15_500)})


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    """With a small window, and a partition 0 of many windows."""
    access = RedisAccess(timeout_ms=500)
    made = RedisStore(parse_server_url(server.url), app_id="lead-scoring", access=access, scan_window=WINDOW)
    made.open(0)
    made.write(0, dict.fromkeys(KEYS, b"v"), [], [], None, 1)
    yield made
    made.close_all()


def in_order(steps: Iterator[list[bytes]]) -> list[bytes]:
    return [key for some in steps for key in some]


def test_store_without_order_gives_its_keys_in_steps(store: RedisStore) -> None:
    assert isinstance(store, StepwiseKeys)
    whole: ContactStore = store
    assert [key for key, _ in whole.iterate(0)] == KEYS


@pytest.mark.parametrize("place", [0, 1, 999, 1_000, 7_777, -1_001, -1])
def test_all_keys_from_a_place_on_come_once_and_in_order(store: RedisStore, place: int) -> None:
    """If this fails, a new version of a model is carried over to some contacts twice, or not at all."""
    first = KEYS[place]
    assert in_order(store.keys_in_steps(0, first)) == [key for key in KEYS if key >= first]
    behind = first + b"\x00"
    assert in_order(store.keys_in_steps(0, behind)) == [key for key in KEYS if key >= behind]


@pytest.mark.parametrize("count", [0, 1, WINDOW, 2 * WINDOW, 2 * WINDOW + 1])
def test_full_windows_end_too(store: RedisStore, count: int) -> None:
    store.open(1)
    some = KEYS[:count]
    store.write(1, dict.fromkeys(some, b"v"), [], [], None, 1)
    assert in_order(store.keys_in_steps(1, b"")) == some


def test_each_step_asks_for_little_and_gives_little(store: RedisStore) -> None:
    """If this fails, the event loop stands still while all keys of a large partition are read."""
    steps = store.keys_in_steps(0, b"")
    assert next(steps) == []
    assert next(steps) == [], "a pass over 15,000 keys takes several steps"
    assert max(len(some) for some in steps) <= 2_000


def test_keys_that_stay_are_seen_while_others_come_and_go(store: RedisStore) -> None:
    gone, come = set(KEYS[::7]), {b"new-%d" % number for number in range(500)}
    steps = store.keys_in_steps(0, b"")
    seen = [key for _ in range(9) for key in next(steps)]
    store.write(0, dict.fromkeys(come, b"v"), list(gone), [], 1, 2)
    seen += in_order(steps)
    assert seen == sorted(set(seen))
    assert set(KEYS) - gone <= set(seen) <= set(KEYS) | come


def test_scan_that_has_lost_its_connection_leaves_nobody_out(store: RedisStore) -> None:
    steps = store.keys_in_steps(0, b"")
    seen = next(steps) + next(steps)
    store._client.disconnect()
    assert seen + in_order(steps) == KEYS


def test_server_that_goes_away_during_a_scan_is_unavailable_and_the_scan_begun_anew(
    server: RedisServer, store: RedisStore
) -> None:
    steps = store.keys_in_steps(0, b"")
    next(steps)
    server.freeze()
    with pytest.raises(StoreUnavailable):
        next(steps)
    server.thaw()
    again(lambda: store.get_many(0, [b"nobody"]))
    assert in_order(store.keys_in_steps(0, b"")) == KEYS


def test_former_owner_cannot_go_on_with_a_scan(server: RedisServer, store: RedisStore, connect: OpenRedis) -> None:
    steps = store.keys_in_steps(0, b"")
    next(steps)
    connect(server).open(0)
    with pytest.raises(RestartRequired, match="another worker has taken it over"):
        next(steps)


def test_partition_closed_during_a_scan_is_refused(store: RedisStore) -> None:
    steps = store.keys_in_steps(0, b"")
    next(steps)
    store.close(0)
    with pytest.raises(RuntimeError, match="partition 0 is not open"):
        next(steps)
