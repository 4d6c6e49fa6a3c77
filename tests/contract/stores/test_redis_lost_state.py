"""Redis killed, flushed, evicting or behind: nothing is computed from a state that is not the one we wrote, and nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from tests.contract.stores.conftest import OpenRedis
from tests.support.redis_rounds import KEYS, Changelog, again, fill, seen, starts_anew, wait_until, write
from tests.support.redis_server import RedisServer
from worker.clock import pause
from worker.errors import RestartRequired, StoreUnavailable
from worker.stores import redis_layout as layout
from worker.stores.redis import RedisStore

pytestmark = pytest.mark.usefixtures("redis_is_there")


@pytest.fixture
def store(server: RedisServer, connect: OpenRedis) -> RedisStore:
    """With partition 0 open and empty."""
    made = connect(server)
    made.open(0)
    return made


@pytest.mark.parametrize("call", ["get_many", "due_before", "write", "iterate"])
@pytest.mark.parametrize(
    "command",
    [("FLUSHALL",), ("DEL", KEYS.contacts), ("DEL", KEYS.due), ("HDEL", KEYS.contacts, layout.OWNER)],
    ids=["flushed", "contacts evicted", "due index evicted", "mark lost"],
)
def test_state_that_is_gone_is_noticed_by_every_call_and_rebuilt(
    server: RedisServer, store: RedisStore, connect: OpenRedis, command: tuple[str, ...], call: str
) -> None:
    """If this fails, a contact of three years is scored as if it had come today."""
    changelog = fill(store, 3)
    last = changelog.rounds[-1].offset
    server.ask(*command)
    if command == ("DEL", KEYS.due) and call in {"get_many", "iterate"}:
        assert seen_rows(store) == changelog.state_at(last).rows  # they are the right ones; timers and writes notice
        call = "due_before"
    uses: dict[str, Callable[[], object]] = {
        "get_many": lambda: store.get_many(0, [b"nobody"]),
        "due_before": lambda: store.due_before(0, 1, 1),
        "write": lambda: write(store, changelog.rounds[-1], last),
        "iterate": lambda: store.iterate(0),
    }
    with pytest.raises(RestartRequired, match="gone from Redis"):
        uses[call]()
    anew = connect(server)
    anew.open(0)
    assert anew.changelog_offset(0) is None
    assert list(anew.iterate(0)) == []
    changelog.restore(anew)
    assert seen(anew) == changelog.state_at(last)


def seen_rows(store: RedisStore) -> list[tuple[bytes, bytes]]:
    return list(store.iterate(0))


def test_eviction_while_running_is_noticed(server: RedisServer, store: RedisStore, connect: OpenRedis) -> None:
    changelog = fill(store, 5)
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    with server.client() as client:
        server.ask("CONFIG", "SET", "maxmemory", int(client.info("memory")["used_memory"]) + 200_000)
        number = 0
        while client.exists(KEYS.contacts):
            client.set(f"junk-{number}", b"x" * 5_000)
            number += 1
            assert number < 20_000
    assert starts_anew(store)
    server.ask("CONFIG", "SET", "maxmemory", 0)
    anew = connect(server)
    changelog.restore(anew)
    assert seen(anew) == changelog.state_at(changelog.rounds[-1].offset)


@pytest.mark.parametrize("options", [{}, {"save": "3600 1"}], ids=["nothing saved", "a snapshot of earlier"])
def test_server_that_restarts_with_less_is_noticed_and_the_rest_restored(
    tmp_path: Path, connect: OpenRedis, options: dict[str, str]
) -> None:
    """If this fails, scores of before the crash come back and stay."""
    with RedisServer(tmp_path / "redis", options) as server:
        store = connect(server)
        store.open(0)
        changelog = fill(store, 3)
        kept = len(changelog.rounds) if options else 0
        if options:
            server.ask("SAVE")
        fill(store, 4, changelog)
        server.kill()
        with pytest.raises(StoreUnavailable):
            store.get_many(0, [b"a"])
        server.start()
        assert starts_anew(store)
        with pytest.raises(RestartRequired):
            store.due_before(0, 1, 1)
        heir = connect(server)
        heir.open(0)
        assert seen(heir) == changelog.state_at(changelog.rounds[kept - 1].offset if kept else None)
        assert changelog.restore(heir) == 7 - kept
        assert seen(heir) == changelog.state_at(changelog.rounds[-1].offset)


@pytest.mark.parametrize("seed", range(6))
def test_every_prefix_of_the_servers_log_is_a_state_that_was(tmp_path: Path, connect: OpenRedis, seed: int) -> None:
    """A power cut leaves the log cut anywhere. If this fails, rows and offset can part, and a restore begins at the wrong place."""
    chance = random.Random(seed)
    options = {"appendonly": "yes", "appendfsync": "everysec", "auto-aof-rewrite-percentage": "0"}
    with RedisServer(tmp_path / "redis", options) as server:
        store = connect(server)
        store.open(0)
        changelog = fill(store, 12)
        server.kill()
        log = max(server.directory.glob("**/*.aof"), key=lambda file: file.stat().st_size)
        whole = log.read_bytes()
        for _ in range(3):
            log.write_bytes(whole[: chance.randrange(len(whole) // 8, len(whole))])
            server.start()
            heir = connect(server)
            heir.open(0)
            stands_at = heir.changelog_offset(0)
            assert stands_at != changelog.rounds[-1].offset
            assert seen(heir) == changelog.state_at(stands_at)
            server.kill()
        server.start()
        last = connect(server)
        changelog.restore(last)
        assert seen(last) == changelog.state_at(changelog.rounds[-1].offset)


@pytest.mark.parametrize("sync", ["everysec", "always"])
def test_server_killed_again_and_again_while_rounds_go_on_ends_exact(
    tmp_path: Path, connect: OpenRedis, sync: str
) -> None:
    chance = random.Random(11)
    changelog = Changelog(5)
    with RedisServer(tmp_path / "redis", {"appendonly": "yes", "appendfsync": sync}) as server:
        store = connect(server)
        store.open(0)

        def kill_soon() -> None:
            pause(chance.random() * 0.15)
            server.kill()

        for _ in range(6):
            killer = Thread(target=kill_soon)
            killer.start()
            one, expected = changelog.next_round(), store.changelog_offset(0)
            try:
                while True:
                    write(store, one, expected)
                    one, expected = changelog.next_round(), store.changelog_offset(0)
            except StoreUnavailable:
                killer.join()
            server.start()
            try:
                write(store, one, expected)  # the worker repeats it
            except RestartRequired:  # the server has lost some: a new process restores the difference
                store = connect(server)
                changelog.restore(store)
            assert seen(store) == changelog.state_at(one.offset)


def test_failover_to_a_replica_that_lags_is_noticed_and_the_difference_restored(
    tmp_path: Path, connect: OpenRedis
) -> None:
    """If this fails, a failover takes points away from contacts, for good."""
    with RedisServer(tmp_path / "a") as primary, RedisServer(tmp_path / "b") as replica:
        store = connect(primary)
        store.open(0)
        changelog = fill(store, 5)
        replica.ask("REPLICAOF", "127.0.0.1", primary.port)
        with replica.client() as client:
            wait_until(lambda: client.info("replication").get("master_link_status") == "up", "replica is in step")
            wait_until(lambda: bool(client.exists(KEYS.contacts)), "replica has the keys")
        fill(store, 1, changelog)
        reached = changelog.rounds[-1].offset
        wait_until(lambda: replica.ask("HGET", KEYS.contacts, layout.OFFSET) == b"%d" % reached, "replica has it all")
        replica.ask("REPLICAOF", "127.0.0.1", 1)  # the link breaks
        fill(store, 4, changelog)
        primary.kill()
        replica.ask("REPLICAOF", "NO", "ONE")
        store._client._connection.port = replica.port  # the name now leads there
        with pytest.raises(RestartRequired, match="lost writes"):
            again(lambda: store.get_many(0, [b"a"]))
        with pytest.raises(RestartRequired):
            write(store, changelog.next_round(), store.changelog_offset(0))
        heir = connect(replica)
        heir.open(0)
        assert seen(heir) == changelog.state_at(reached)
        assert changelog.restore(heir) == 5
        assert seen(heir) == changelog.state_at(changelog.rounds[-1].offset)
