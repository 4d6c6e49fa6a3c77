"""Which servers a worker starts with, how it says no, and where it finds them."""

from __future__ import annotations

import os
import random
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
import redis

from tests.contract.stores.conftest import OpenUrl
from tests.support.redis_refusal import refusal
from tests.support.redis_server import RedisServer
from worker.clock import pause
from worker.errors import DependencyError

pytestmark = pytest.mark.usefixtures("redis_is_there")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_server_that_may_evict_is_refused(tmp_path: Path, opened: OpenUrl, policy: str) -> None:
    """If this fails, contacts vanish one by one when memory gets short."""
    with RedisServer(tmp_path, {"maxmemory": "100mb", "maxmemory-policy": policy}) as server:
        text = refusal(opened(server.url))
    assert policy in text
    assert "set maxmemory-policy noeviction" in text
    assert str(server.port) in text


@pytest.mark.parametrize(
    "options",
    [
        {"maxmemory": "100mb", "maxmemory-policy": "noeviction"},
        {"maxmemory": "100mb", "maxmemory-policy": "volatile-lru"},
        {"maxmemory": "0", "maxmemory-policy": "allkeys-lru"},
    ],
    ids=["noeviction", "only keys with an expiry, and ours have none", "no limit"],
)
def test_server_that_cannot_evict_our_keys_is_taken(tmp_path: Path, opened: OpenUrl, options: dict[str, str]) -> None:
    with RedisServer(tmp_path, options) as server:
        opened(server.url).claim()


def test_no_key_of_ours_has_an_expiry(tmp_path: Path, opened: OpenUrl) -> None:
    with RedisServer(tmp_path) as server:
        store = opened(server.url)
        store.open(0)
        store.write(0, {b"a": b"1"}, [], [], None, 1)
        keys = server.ask("KEYS", "*")
        assert len(keys) == 2
        assert [server.ask("TTL", key) for key in keys] == [-1, -1]


def test_replica_is_refused(tmp_path: Path, opened: OpenUrl) -> None:
    with RedisServer(tmp_path) as server:
        server.ask("REPLICAOF", "127.0.0.1", 1)
        assert "it is a replica" in refusal(opened(server.url))


def test_node_of_a_cluster_is_refused(tmp_path: Path, opened: OpenUrl) -> None:
    with RedisServer(tmp_path, {"cluster-enabled": "yes"}) as server:
        assert "node of a Redis Cluster" in refusal(opened(server.url))


def test_server_that_is_away_is_waited_for_and_then_named(tmp_path: Path, opened: OpenUrl) -> None:
    server = RedisServer(tmp_path)
    text = refusal(opened(server.url), DependencyError)
    assert f"Redis at redis://127.0.0.1:{server.port}/0: no connection (Connection refused) for 0.5 s" in text
    store = opened(server.url, start_within_s=20)

    def start_later() -> None:
        pause(0.3)
        server.start()

    later = Thread(target=start_later)
    later.start()
    try:
        store.claim()
    finally:
        later.join()
        server.kill()


def test_server_that_loads_its_data_is_waited_for(tmp_path: Path, opened: OpenUrl) -> None:
    slow = {"save": "3600 1", "key-load-delay": "1000"}
    with RedisServer(tmp_path, slow) as server:
        with server.client() as client:
            client.mset({f"junk-{number}": random.randbytes(2_000) for number in range(4_000)})
        server.ask("SAVE")
        server.kill()
        server.start(waits=False)
        text = refusal(opened(server.url, start_within_s=1), DependencyError)
        assert "loading its data" in text
        opened(server.url, start_within_s=30).claim()


def test_server_is_reached_by_a_socket_too(tmp_path: Path, opened: OpenUrl) -> None:
    socket = Path(os.path.relpath(tmp_path / "s", Path.cwd()))
    with RedisServer(tmp_path, {"unixsocket": str(tmp_path / "s")}):
        with closing(redis.Redis(unix_socket_path=str(socket), protocol=2)) as client:
            client.ping()
        store = opened(f"redis+unix://{tmp_path / 's'}?db=2")
        store.open(0)
        store.write(0, {b"a": b"1"}, [], [], None, 1)
        assert store.get_many(0, [b"a"]) == [b"1"]
