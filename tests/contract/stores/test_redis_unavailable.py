"""Redis frozen, gone, full, demoted or busy: what was asked may be asked again, and then counts once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import redis

from tests.contract.stores.conftest import OpenRedis
from tests.support.redis_rounds import KEYS, again, fill, seen, wait_until, write
from tests.support.redis_server import RedisServer
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


@pytest.mark.parametrize("is_frozen", [True, False], ids=["frozen: done later", "paused: never done"])
def test_write_without_an_answer_counts_once_when_it_is_repeated(
    server: RedisServer, store: RedisStore, *, is_frozen: bool
) -> None:
    """If this fails, a slow Redis either loses a round or takes a repeated one for a stranger's."""
    changelog = fill(store, 2)
    last = changelog.rounds[-1].offset
    one = changelog.next_round()
    if is_frozen:
        server.freeze()  # it reads the command when it goes on
    else:
        server.ask("CLIENT", "PAUSE", 60_000, "WRITE")  # it forgets commands of clients that hang up
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            write(store, one, last)
    if is_frozen:
        with pytest.raises(StoreUnavailable):
            store.get_many(0, [b"a"])
        server.thaw()
    else:
        server.ask("CLIENT", "UNPAUSE")
    again(lambda: write(store, one, last))
    assert seen(store) == changelog.state_at(one.offset)
    fill(store, 2, changelog)
    assert seen(store) == changelog.state_at(changelog.rounds[-1].offset)


def test_reads_between_a_lost_answer_and_its_repetition_are_allowed(server: RedisServer, store: RedisStore) -> None:
    """The next round is folded meanwhile."""
    changelog = fill(store, 2)
    last = changelog.rounds[-1].offset
    one = changelog.next_round()
    server.freeze()
    with pytest.raises(StoreUnavailable):
        write(store, one, last)
    server.thaw()
    again(lambda: store.get_many(0, [b"a"]))
    again(lambda: store.due_before(0, 5, 5))
    again(lambda: write(store, one, last))
    assert seen(store) == changelog.state_at(one.offset)


def test_foreign_write_at_our_offset_is_not_taken_for_our_own(server: RedisServer, store: RedisStore) -> None:
    """Only a write that was tried and not answered may be found done."""
    fill(store, 1)
    server.ask("HSET", KEYS.contacts, layout.OFFSET, 4711)
    with pytest.raises(RestartRequired, match="somebody else wrote"):
        store.write(0, {b"a": b"1"}, [], [], store.changelog_offset(0), 4711)


@pytest.mark.parametrize("call", ["get_many", "due_before", "write", "iterate", "open", "size_bytes", "drop"])
def test_server_that_is_gone_is_unavailable_for_every_call(server: RedisServer, store: RedisStore, call: str) -> None:
    server.kill()
    calls: dict[str, Callable[[], object]] = {
        "get_many": lambda: store.get_many(0, [b"a"]),
        "due_before": lambda: store.due_before(0, 1, 1),
        "write": lambda: store.write(0, {}, [], [], None, 1),
        "iterate": lambda: store.iterate(0),
        "open": lambda: store.open(1),
        "size_bytes": lambda: store.size_bytes(0),
        "drop": lambda: store.drop(0),
    }
    with pytest.raises(StoreUnavailable, match="no connection"):
        calls[call]()


def test_full_memory_refuses_a_write_whole_and_takes_it_later(server: RedisServer, store: RedisStore) -> None:
    changelog = fill(store, 3)
    last = changelog.rounds[-1].offset
    with server.client() as client:
        used = int(client.info("memory")["used_memory"])
    server.ask("CONFIG", "SET", "maxmemory", used // 2)
    one = changelog.next_round()
    with pytest.raises(StoreUnavailable, match="memory is full"):
        write(store, one, last)
    assert seen(store) == changelog.state_at(last)
    server.ask("CONFIG", "SET", "maxmemory", 0)
    write(store, one, last)
    assert seen(store) == changelog.state_at(one.offset)


def test_demoted_server_is_unavailable_until_it_is_primary_again(server: RedisServer, store: RedisStore) -> None:
    changelog = fill(store, 2)
    last = changelog.rounds[-1].offset
    server.ask("REPLICAOF", "127.0.0.1", 1)
    one = changelog.next_round()
    with pytest.raises(StoreUnavailable, match="replica"):
        write(store, one, last)
    server.ask("REPLICAOF", "NO", "ONE")
    write(store, one, last)
    assert seen(store) == changelog.state_at(one.offset)


def test_server_that_cannot_save_is_unavailable_and_takes_the_write_later(tmp_path: Path, connect: OpenRedis) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with RedisServer(tmp_path / "redis", {"save": "3600 1", "dir": str(folder)}) as server:
        store = connect(server)
        store.open(0)
        changelog = fill(store, 2)
        last = changelog.rounds[-1].offset
        shutil.rmtree(folder)
        server.ask("BGSAVE")

        def has_failed() -> bool:
            with server.client() as client:
                return str(client.info("persistence")["rdb_last_bgsave_status"]) == "err"

        wait_until(has_failed, "saving fails")
        one = changelog.next_round()
        with pytest.raises(StoreUnavailable, match="cannot save"):
            write(store, one, last)
        server.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        write(store, one, last)
        assert seen(store) == changelog.state_at(one.offset)


def test_server_busy_with_a_script_of_somebody_else_is_unavailable(tmp_path: Path, connect: OpenRedis) -> None:
    with RedisServer(tmp_path / "redis", {"lua-time-limit": "50"}) as server:
        store = connect(server)
        store.open(0)

        def run_for_ever() -> None:
            with server.client() as client, pytest.raises(redis.ResponseError):
                client.eval("while true do end", 0)

        endless = Thread(target=run_for_ever)
        endless.start()
        try:

            def is_busy() -> bool:
                try:
                    server.ask("PING")
                except redis.ResponseError:
                    return True
                return False

            wait_until(is_busy, "the server is busy")
            with pytest.raises(StoreUnavailable, match="script of somebody else"):
                store.write(0, {b"a": b"1"}, [], [], None, 1)
        finally:
            server.ask("SCRIPT", "KILL")
            endless.join()
        store.write(0, {b"a": b"1"}, [], [], None, 1)
        assert store.get_many(0, [b"a"]) == [b"1"]


def test_scripts_are_loaded_again_when_the_server_has_forgotten_them(server: RedisServer, store: RedisStore) -> None:
    changelog = fill(store, 1)
    server.ask("SCRIPT", "FLUSH")
    fill(store, 1, changelog)
    assert seen(store) == changelog.state_at(changelog.rounds[-1].offset)
