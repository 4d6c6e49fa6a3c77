"""Users and passwords of Redis: who is let in, who is told what is missing, and what a worker's user may do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.contract.stores.conftest import OpenUrl
from tests.support.redis_refusal import refusal
from tests.support.redis_rounds import Changelog, seen, write
from tests.support.redis_server import LIMITED_NAME, LIMITED_PASSWORD, LIMITED_USER, RedisServer
from worker.errors import ConfigError, WorkerError
from worker.settings.secret import Secret
from worker.stores.redis_connection import COMMANDS

pytestmark = pytest.mark.usefixtures("redis_is_there")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with a user who may do no more than a worker needs, and one without keys."""
    poor = "user poor on >only-for-tests resetchannels ~other:* -@all +info +script|load +evalsha"
    with RedisServer(tmp_path_factory.mktemp("guarded"), users=[LIMITED_USER, poor]) as server:
        yield server


def as_user(server: RedisServer, name: str, password: str = "") -> str:
    return server.url.replace("://", f"://{name}{':' + password if password else ''}@")


@pytest.mark.parametrize("is_in_url", [True, False])
def test_user_with_a_password_is_let_in(guarded: RedisServer, opened: OpenUrl, *, is_in_url: bool) -> None:
    if is_in_url:
        store = opened(as_user(guarded, LIMITED_NAME, LIMITED_PASSWORD))
    else:
        store = opened(as_user(guarded, LIMITED_NAME), password=Secret(LIMITED_PASSWORD))
    store.open(3)
    store.drop(3)


@pytest.mark.parametrize("is_in_url", [True, False])
def test_wrong_password_is_the_operators_and_is_never_shown(
    guarded: RedisServer, opened: OpenUrl, *, is_in_url: bool
) -> None:
    if is_in_url:
        store = opened(as_user(guarded, LIMITED_NAME, "hunter2-canary"))
    else:
        store = opened(as_user(guarded, LIMITED_NAME), password=Secret("hunter2-canary"))
    text = refusal(store)
    assert "the server refuses us" in text
    assert "LEADSCORE_REDIS_PASSWORD" in text
    assert "canary" not in text


def test_user_without_the_keys_is_told_so(guarded: RedisServer, opened: OpenUrl) -> None:
    store = opened(as_user(guarded, "poor", LIMITED_PASSWORD))
    with pytest.raises(ConfigError, match=r"worker/stores/README\.md lists the commands"):
        store.open(0)


def test_everything_a_store_does_is_allowed_to_a_user_with_the_listed_commands_and_no_more(
    guarded: RedisServer, opened: OpenUrl
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
