"""Restores into Redis: parts whose answers are taken later, and a due index that is made at the end."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from tests.contract.stores.conftest import OpenRedis
from tests.support.redis_loads import Loads, due_of, end, load
from tests.support.redis_rounds import KEYS, again
from tests.support.redis_server import RedisServer
from worker.clock import pause
from worker.errors import RestartRequired
from worker.stores import redis_layout as layout
from worker.stores import redis_scripts as scripts
from worker.stores.redis import RedisStore

pytestmark = pytest.mark.usefixtures("redis_is_there")


@pytest.fixture
def store(server: RedisServer, connect: OpenRedis) -> RedisStore:
    """With partition 0 open and empty."""
    made = connect(server)
    made.open(0)
    return made


MANY = {b"contact-%05d" % number: (number + 1).to_bytes(4, "big") for number in range(12_000)}
IN_ORDER = sorted(MANY)  # their instants too


def is_due(store: RedisStore) -> list[bytes]:
    return [entry.key for entry in store.due_before(0, 2**40, 10**6)]


def arrives_late(server: RedisServer, store: RedisStore, expected: bytes, new: bytes) -> None:
    """What a client that hung up has left to the network, at offset 9."""
    server.ask(*scripts.MARK.command(KEYS, [store._owner, layout.ANCHOR, b"9", expected, new]))


def test_pass_that_begins_late_after_the_end_of_the_load_takes_no_due_entries_away(
    server: RedisServer, store: RedisStore
) -> None:
    """If this fails, timers of a whole partition never fire."""
    store.load(0, MANY, due_of, None, 9)
    end(store, 0)
    arrives_late(server, store, layout.LOADED, b"late")
    assert is_due(store) == IN_ORDER


def test_what_an_earlier_pass_has_sent_and_comes_late_leaves_a_second_pass_alone(
    server: RedisServer, store: RedisStore
) -> None:
    """If this fails, some timers never fire, or a crash leaves half a due index that is taken for whole."""
    store.load(0, MANY, due_of, None, 9)
    given_up = store.end_load(0, due_of)
    next(given_up)
    earlier = server.ask("HGET", KEYS.contacts, layout.LOADING)
    given_up.close()
    steps = store.end_load(0, due_of)
    next(steps)
    arrives_late(server, store, layout.LOADED, earlier)
    arrives_late(server, store, earlier, b"")
    assert server.ask("HEXISTS", KEYS.contacts, layout.LOADING)
    for _ in steps:
        pass
    assert is_due(store) == IN_ORDER
    assert not server.ask("HEXISTS", KEYS.contacts, layout.LOADING)


def test_end_of_a_load_whose_last_answer_was_lost_is_found_done(server: RedisServer, store: RedisStore) -> None:
    store.load(0, MANY, due_of, None, 9)
    assert store.get_many(0, [b"nobody"]) == [None]
    server.ask("HDEL", KEYS.contacts, layout.LOADING)  # done for us, and we have not heard of it
    end(store, 0)
    assert not store.is_loading(0)


def test_pass_over_a_server_that_restarts_leaves_nobody_out(tmp_path: Path, connect: OpenRedis) -> None:
    """A cursor means nothing to the server that comes after; if this fails, some timers never fire."""
    with RedisServer(tmp_path / "redis", {"appendonly": "yes", "appendfsync": "always"}) as server:
        store = connect(server)
        store.open(0)
        store.open(1)
        store.load(0, MANY, due_of, None, 9)
        steps = store.end_load(0, due_of)
        next(steps)
        next(steps)
        assert store.get_many(0, [b"nobody"]) == [None]  # everything sent is answered
        server.kill()
        server.start()
        again(lambda: store.get_many(1, [b"nobody"]))
        for _ in steps:
            pass
        assert is_due(store) == IN_ORDER


def test_scripts_forgotten_during_a_pass_leave_nobody_out(server: RedisServer, store: RedisStore) -> None:
    store.load(0, MANY, due_of, None, 9)
    steps = store.end_load(0, due_of)
    next(steps)
    server.ask("SCRIPT", "FLUSH")
    for _ in steps:
        pass
    assert is_due(store) == IN_ORDER


def test_partition_closed_during_a_pass_is_refused(store: RedisStore) -> None:
    store.load(0, MANY, due_of, None, 9)
    steps = store.end_load(0, due_of)
    next(steps)
    store.close(0)
    with pytest.raises(RuntimeError, match="partition 0 is not open"):
        next(steps)


def test_load_of_another_partition_takes_turns_with_a_pass(store: RedisStore) -> None:
    """Both leave answers to be taken later; if this fails, one takes the other's."""
    store.open(1)
    loads = Loads(3)
    store.load(0, MANY, due_of, None, 9)
    for _ in store.end_load(0, due_of):
        loads.load_next(partial(load, store, 1))
    end(store, 1)
    assert is_due(store) == IN_ORDER
    assert dict(store.iterate(0)) == MANY
    loads.assert_in(store, 1)


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
