"""Which servers a worker starts with, how it says no, and what it may do there: versions, policies, passwords, TLS, an ACL."""

from __future__ import annotations

import os
import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread

import pytest
import redis

from tests.support.certificates import Authority
from tests.support.needs import missing
from tests.support.redis_package import NoRedisError, redis_program
from tests.support.redis_rounds import Changelog, seen, write
from tests.support.redis_server import LIMITED_NAME, LIMITED_PASSWORD, LIMITED_USER, RedisServer
from worker.clock import pause
from worker.errors import ConfigError, DependencyError, WorkerError
from worker.settings.secret import Secret
from worker.settings.store_url import parse_server_url
from worker.stores.redis import RedisStore
from worker.stores.redis_access import RedisAccess
from worker.stores.redis_connection import COMMANDS, connect

Open = Callable[..., RedisStore]


@pytest.fixture(scope="module", autouse=True)
def _there_is_a_redis() -> None:
    try:
        redis_program()
    except NoRedisError as reason:
        missing(str(reason))


@pytest.fixture
def opened() -> Iterator[Open]:
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


def refusal(store: RedisStore, kind: type[WorkerError] = ConfigError) -> str:
    """Return the text that *store* ends its start with, and everything that a log would show of it."""
    with pytest.raises(kind) as caught:
        store.claim()
    return f"{caught.value}\n{''.join(traceback.format_exception(caught.value))}"


# --- the server -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_server_that_may_evict_is_refused(tmp_path: Path, opened: Open, policy: str) -> None:
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
def test_server_that_cannot_evict_our_keys_is_taken(tmp_path: Path, opened: Open, options: dict[str, str]) -> None:
    with RedisServer(tmp_path, options) as server:
        opened(server.url).claim()


def test_no_key_of_ours_has_an_expiry(tmp_path: Path, opened: Open) -> None:
    with RedisServer(tmp_path) as server:
        store = opened(server.url)
        store.open(0)
        store.write(0, {b"a": b"1"}, [], [], None, 1)
        keys = server.ask("KEYS", "*")
        assert len(keys) == 2
        assert [server.ask("TTL", key) for key in keys] == [-1, -1]


def test_replica_is_refused(tmp_path: Path, opened: Open) -> None:
    with RedisServer(tmp_path) as server:
        server.ask("REPLICAOF", "127.0.0.1", 1)
        assert "it is a replica" in refusal(opened(server.url))


def test_node_of_a_cluster_is_refused(tmp_path: Path, opened: Open) -> None:
    with RedisServer(tmp_path, {"cluster-enabled": "yes"}) as server:
        assert "node of a Redis Cluster" in refusal(opened(server.url))


def test_server_that_is_away_is_waited_for_and_then_named(tmp_path: Path, opened: Open) -> None:
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


def test_server_that_loads_its_data_is_waited_for(tmp_path: Path, opened: Open) -> None:
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


# --- users and passwords ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with a user who may do no more than a worker needs, and one without keys."""
    poor = "user poor on >only-for-tests resetchannels ~other:* -@all +info +script|load +evalsha"
    with RedisServer(tmp_path_factory.mktemp("guarded"), users=[LIMITED_USER, poor]) as server:
        yield server


def as_user(server: RedisServer, name: str, password: str = "") -> str:
    return server.url.replace("://", f"://{name}{':' + password if password else ''}@")


@pytest.mark.parametrize("is_in_url", [True, False])
def test_user_with_a_password_is_let_in(guarded: RedisServer, opened: Open, *, is_in_url: bool) -> None:
    if is_in_url:
        store = opened(as_user(guarded, LIMITED_NAME, LIMITED_PASSWORD))
    else:
        store = opened(as_user(guarded, LIMITED_NAME), password=Secret(LIMITED_PASSWORD))
    store.open(3)
    store.drop(3)


@pytest.mark.parametrize("is_in_url", [True, False])
def test_wrong_password_is_the_operators_and_is_never_shown(
    guarded: RedisServer, opened: Open, *, is_in_url: bool
) -> None:
    if is_in_url:
        store = opened(as_user(guarded, LIMITED_NAME, "hunter2-canary"))
    else:
        store = opened(as_user(guarded, LIMITED_NAME), password=Secret("hunter2-canary"))
    text = refusal(store)
    assert "the server refuses us" in text
    assert "LEADSCORE_REDIS_PASSWORD" in text
    assert "canary" not in text


def test_user_without_the_keys_is_told_so(guarded: RedisServer, opened: Open) -> None:
    store = opened(as_user(guarded, "poor", LIMITED_PASSWORD))
    with pytest.raises(ConfigError, match=r"worker/stores/README\.md lists the commands"):
        store.open(0)


def test_everything_a_store_does_is_allowed_to_a_user_with_the_listed_commands_and_no_more(
    guarded: RedisServer, opened: Open
) -> None:
    """If this fails, the ACL in the README stops a worker at its first erasure, or gives it more than it needs."""
    guarded.ask("CONFIG", "RESETSTAT")
    guarded.ask("ACL", "LOG", "RESET")
    guarded.ask("SCRIPT", "FLUSH")
    store = opened(as_user(guarded, LIMITED_NAME, LIMITED_PASSWORD).replace("/0", "/1"))
    store.claim()
    store.open(0)
    changelog = Changelog(1)
    for _ in range(3):
        write(store, changelog.next_round(), store.changelog_offset(0))
    assert seen(store) == changelog.state_at(changelog.rounds[-1].offset)
    assert store.size_bytes(0) > 0
    store.drop(0)
    store.open(0)
    store.load(0, {b"a": b"5", b"b": None}, lambda _, value: int(value), None, 9)
    for _ in store.end_load(0, lambda _, value: int(value)):
        pass
    heir = opened(as_user(guarded, LIMITED_NAME, LIMITED_PASSWORD).replace("/0", "/1"))
    heir.open(0)
    with pytest.raises(WorkerError, match="another worker"):
        store.write(0, {}, [], [], 9, 10)
    assert heir.refused_writes(0) == 1
    heir.drop(0)
    assert guarded.ask("ACL", "LOG") == []
    with guarded.client() as client:
        used = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    ours = (
        set(COMMANDS) if "memory|usage" in used else {name.partition("|")[0] for name in COMMANDS}
    )  # Redis 6 counts so
    assert ours <= used
    assert {name.partition("|")[0] for name in used - ours} <= {"acl", "client", "config", "script"}, "the test's own"


@pytest.mark.parametrize(
    "command",
    [
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "*"),
        ("EVAL", "return 1", 0),
        ("SCRIPT", "FLUSH"),
        ("CLIENT", "LIST"),
        ("MONITOR",),
        ("SHUTDOWN",),
        ("ACL", "LIST"),
        ("HGET", "other:key", "a"),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_user_with_the_listed_commands_can_do_no_harm_beyond_them(
    guarded: RedisServer, command: tuple[object, ...]
) -> None:
    with (
        guarded.client(username=LIMITED_NAME, password=LIMITED_PASSWORD) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command)


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def secured(directory: Path, authority: Authority, *, names: tuple[str, ...] = ("127.0.0.1",), asks: bool = False):  # type: ignore[no-untyped-def]  # noqa: ANN201
    issued = authority.issue("redis", names=names)
    files = (issued.certificate, issued.key, authority.file)
    return RedisServer(directory, tls=files, asks_for_certificates=asks)


def test_server_with_a_certificate_of_our_authority_is_trusted(
    tmp_path: Path, authority: Authority, opened: Open
) -> None:
    with secured(tmp_path, authority) as server:
        store = opened(server.url, ca_location=str(authority.file))
        store.open(0)
        changelog = Changelog(1)
        write(store, changelog.next_round(), None)
        assert seen(store) == changelog.state_at(changelog.rounds[-1].offset)


def test_server_of_another_authority_is_refused(tmp_path: Path, authority: Authority, opened: Open) -> None:
    """If this fails, whoever answers at that address reads every contact."""
    stranger = Authority(tmp_path / "stranger", "a stranger")
    with secured(tmp_path / "redis", authority) as server:
        for ca_location in (str(stranger.file), ""):
            text = refusal(opened(server.url, ca_location=ca_location))
            assert "certificate is not accepted" in text
            assert "LEADSCORE_REDIS_CA_LOCATION" in text


def test_certificate_of_another_name_is_refused(tmp_path: Path, authority: Authority, opened: Open) -> None:
    with secured(tmp_path, authority, names=("other.example",)) as server:
        text = refusal(opened(server.url, ca_location=str(authority.file)))
    assert "certificate is not accepted" in text
    assert "127.0.0.1" in text


def test_certificate_of_ours_is_shown_when_the_server_asks_for_one(
    tmp_path: Path, authority: Authority, opened: Open
) -> None:
    ours = authority.issue("worker")
    with secured(tmp_path, authority, asks=True) as server:
        text = refusal(
            opened(server.url, ca_location=str(authority.file)), WorkerError
        )  # it hangs up, or says why before
        assert "LEADSCORE_REDIS_CERTIFICATE_LOCATION" in text
        opened(
            server.url,
            ca_location=str(authority.file),
            certificate_location=str(ours.certificate),
            key_location=str(ours.key),
        ).claim()


def test_tls_is_never_given_up_for_a_server_without(tmp_path: Path, authority: Authority, opened: Open) -> None:
    with RedisServer(tmp_path) as server:
        url = server.url.replace("redis://", "rediss://")
        text = refusal(opened(url, ca_location=str(authority.file), timeout_ms=300), DependencyError)
    assert "does it speak TLS at that port?" in text


def test_files_that_are_no_certificates_are_refused_before_anything_connects(
    tmp_path: Path, authority: Authority, opened: Open
) -> None:
    locked = authority.issue("locked", password="only-for-tests")
    (tmp_path / "junk.pem").write_text("junk", "utf-8")
    for access in (
        {"ca_location": str(tmp_path / "junk.pem")},
        {"ca_location": str(tmp_path / "nothing.pem")},
        {"certificate_location": str(locked.certificate), "key_location": str(locked.key)},
    ):
        with pytest.raises(ConfigError, match="certificate or key cannot be used"):
            opened("rediss://127.0.0.1:1/0", **access)


# --- a socket ---------------------------------------------------------------------------------------------------------


def test_server_is_reached_by_a_socket_too(tmp_path: Path, opened: Open) -> None:
    socket = Path(os.path.relpath(tmp_path / "s", Path.cwd()))
    with RedisServer(tmp_path, {"unixsocket": str(tmp_path / "s")}):
        with closing(redis.Redis(unix_socket_path=str(socket), protocol=2)) as client:
            client.ping()
        store = opened(f"redis+unix://{tmp_path / 's'}?db=2")
        store.open(0)
        store.write(0, {b"a": b"1"}, [], [], None, 1)
        assert store.get_many(0, [b"a"]) == [b"1"]


def test_answers_stay_with_their_questions_after_an_error(guarded: RedisServer) -> None:
    """If this fails, a contact is given the state of another."""
    client = connect(parse_server_url(guarded.url), RedisAccess())
    guarded.ask("SET", "text", "x")
    try:
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.call_all([("HGET", "text", "a"), ("ECHO", "left"), ("ECHO", "over")])
        assert client.call("ECHO", "mine") == b"mine"
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.call_all([("ECHO", "first"), ("HGET", "text", "a")])
        assert client.call_all([("ECHO", "a"), ("ECHO", "b")]) == [b"a", b"b"]
    finally:
        client.disconnect()
        guarded.ask("DEL", "text")
