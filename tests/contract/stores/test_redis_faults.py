"""Redis killed, frozen, flushed, full, or behind: nothing is computed from a state that is not the one we wrote, and nothing is lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
import redis

from tests.support.needs import missing
from tests.support.redis_package import NoRedisError, redis_program
from tests.support.redis_rounds import Changelog, seen, starts_anew, write
from tests.support.redis_server import RedisServer
from worker.clock import Deadline, pause
from worker.errors import RestartRequired, StoreUnavailable
from worker.settings.store_url import parse_server_url
from worker.stores import redis_layout as layout
from worker.stores import redis_scripts as scripts
from worker.stores.redis import RedisStore
from worker.stores.redis_access import RedisAccess

KEYS = layout.keys_of("lead-scoring", 0)

OpenRedis = Callable[[RedisServer], RedisStore]


@pytest.fixture(scope="module", autouse=True)
def _there_is_a_redis() -> None:
    try:
        redis_program()
    except NoRedisError as reason:
        missing(str(reason))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that saves nothing."""
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
def store(server: RedisServer, connect: OpenRedis) -> RedisStore:
    """With partition 0 open and empty."""
    made = connect(server)
    made.open(0)
    return made


def fill(store: RedisStore, rounds: int, changelog: Changelog | None = None) -> Changelog:
    changelog = changelog or Changelog(1)
    for _ in range(rounds):
        write(store, changelog.next_round(), store.changelog_offset(0))
    return changelog


def wait_until(condition: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    deadline = Deadline(within_s)
    while not condition():
        assert not deadline.has_passed, what
        pause(0.02)


# --- another worker ---------------------------------------------------------------------------------------------------


def test_former_owner_can_neither_write_nor_read_and_its_write_is_counted(
    server: RedisServer, store: RedisStore, connect: OpenRedis
) -> None:
    """If this fails, a worker that was replaced while frozen overwrites its successor's state."""
    changelog = fill(store, 3)
    before = changelog.state_at(changelog.rounds[-1].offset)
    heir = connect(server)
    heir.open(0)
    late = changelog.next_round()
    for use in (
        lambda: write(store, late, before.offset),
        lambda: store.get_many(0, [b"a"]),
        lambda: store.due_before(0, 10, 10),
        lambda: store.iterate(0),
    ):
        with pytest.raises(RestartRequired, match="another worker has taken it over"):
            use()
    assert seen(heir) == before
    assert heir.refused_writes(0) == 1
    write(heir, late, before.offset)
    assert seen(heir) == changelog.state_at(late.offset)


def test_partition_that_comes_back_is_ours_again_with_what_the_other_wrote(
    server: RedisServer, store: RedisStore, connect: OpenRedis
) -> None:
    changelog = fill(store, 2)
    store.close(0)
    other = connect(server)
    other.open(0)
    fill(other, 2, changelog)
    other.close(0)
    store.open(0)
    fill(store, 1, changelog)
    assert seen(store) == changelog.state_at(changelog.rounds[-1].offset)


def test_two_workers_share_a_server_each_with_partitions_of_its_own(
    server: RedisServer, store: RedisStore, connect: OpenRedis
) -> None:
    other, mine, others = connect(server), Changelog(1), Changelog(2)
    other.open(1)
    for _ in range(4):
        write(store, mine.next_round(), store.changelog_offset(0), 0)
        write(other, others.next_round(), other.changelog_offset(1), 1)
    assert seen(store, 0) == mine.state_at(mine.rounds[-1].offset)
    assert seen(other, 1) == others.state_at(others.rounds[-1].offset)


# --- no answer --------------------------------------------------------------------------------------------------------


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


def test_command_of_a_load_that_arrives_after_its_end_takes_no_due_entries_away(store: RedisStore) -> None:
    """A client that hangs up leaves what it has sent to the network; if this fails, timers of a whole partition never fire."""
    store.load(0, {b"a": b"1", b"b": b"2"}, lambda _, value: int(value), None, 5)
    for _ in store.end_load(0, lambda _, value: int(value)):
        pass
    scripts.CLEAR_DUE.call(store._client, KEYS, [store._owner, layout.ANCHOR])
    assert [entry.key for entry in store.due_before(0, 9, 9)] == [b"a", b"b"]


def again(call: Callable[[], object]) -> None:
    """Repeat *call* until the store answers, as the worker does."""

    def answered() -> bool:
        try:
            call()
        except StoreUnavailable:
            return False
        return True

    wait_until(answered, "the store answers again")


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


# --- not now ----------------------------------------------------------------------------------------------------------


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


# --- state that is gone, or older -------------------------------------------------------------------------------------


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


# --- restores ---------------------------------------------------------------------------------------------------------


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

    def assert_in(self, store: RedisStore, partition: int) -> None:
        """The store holds what was loaded, and nothing else."""
        due = [(entry.at_ms, entry.key) for entry in store.due_before(partition, 2**62, 10**6)]
        assert list(store.iterate(partition)) == sorted(self.rows.items())
        assert due == sorted((int.from_bytes(value[:4], "big"), key) for key, value in self.rows.items())
        assert store.changelog_offset(partition) == self.offset


def load(
    store: RedisStore, partition: int, batch: dict[bytes, bytes | None], expected: int | None, offset: int
) -> None:
    store.load(partition, batch, due_of, expected, offset)


def end(store: RedisStore, partition: int) -> None:
    for _ in store.end_load(partition, due_of):
        pass


@pytest.mark.parametrize("seed", range(3))
def test_loads_of_two_partitions_take_turns_while_answers_are_lost(
    server: RedisServer, store: RedisStore, seed: int
) -> None:
    """If this fails, a restore from a shaky network lacks contacts, or mixes partitions."""
    chance = random.Random(seed)
    store.open(1)
    both = [Loads(seed), Loads(seed + 100)]
    for _ in range(12):
        partition = chance.randrange(2)
        match chance.randrange(4):
            case 0:
                server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            case 1:
                server.freeze()
                waking = Thread(target=wake, args=(server,))
                waking.start()
            case 2:
                server.ask("SCRIPT", "FLUSH")
        both[partition].load_next(partial(load, store, partition))
        if chance.random() < 0.3:
            again(lambda: store.get_many(1, [b"contact-001"]))
    for partition, loads in enumerate(both):
        again(partial(end, store, partition))
        if loads.offset is not None:
            loads.assert_in(store, partition)


def wake(server: RedisServer) -> None:
    pause(0.7)
    server.thaw()


def test_load_that_a_server_without_persistence_has_forgotten_is_noticed(
    server: RedisServer, store: RedisStore
) -> None:
    loads = Loads(1)
    loads.load_next(partial(load, store, 0))
    server.kill()
    server.start()

    def go_on() -> None:  # the second batch is on its way before the server has said anything
        loads.load_next(partial(load, store, 0))
        again(lambda: store.get_many(0, [b"contact-001"]))

    with pytest.raises(RestartRequired, match="gone from Redis"):
        go_on()


def test_load_that_was_not_ended_goes_on_in_the_next_process(
    server: RedisServer, store: RedisStore, connect: OpenRedis
) -> None:
    loads = Loads(2)
    for _ in range(3):
        loads.load_next(partial(load, store, 0))
    assert store.get_many(0, [b"nobody"]) == [None]  # the answer to the last one is in
    store.close_all()
    heir = connect(server)
    heir.open(0)
    assert heir.changelog_offset(0) == loads.offset
    assert heir.is_loading(0)
    loads.load_next(partial(load, heir, 0))
    end(heir, 0)
    assert not heir.is_loading(0)
    loads.assert_in(heir, 0)
