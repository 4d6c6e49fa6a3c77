"""Which errors of Redis are waited out, which are an operator's, which mean a new start; and what they say."""

from __future__ import annotations

import pytest
from redis import exceptions

from worker.errors import ConfigError, RestartRequired, StoreUnavailable, WorkerError
from worker.stores.redis_checks import check_server
from worker.stores.redis_errors import translated

GOOD = {"redis_version": "7.0.15", "redis_mode": "standalone", "role": "master", "maxmemory": "0"}


@pytest.mark.parametrize(
    ("error", "kind", "problem"),
    [
        (exceptions.ConnectionError("Error 111 connecting to redis:6379."), StoreUnavailable, "no connection"),
        (exceptions.TimeoutError("Timeout reading from socket"), StoreUnavailable, "no answer in time"),
        (ConnectionResetError(104, "Connection reset by peer"), StoreUnavailable, "Connection reset by peer"),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), StoreUnavailable, "loading"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), StoreUnavailable, "replica"),
        (exceptions.OutOfMemoryError("command not allowed"), StoreUnavailable, "memory is full"),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left"), StoreUnavailable, "disk"),
        (exceptions.ResponseError("BUSY Redis is busy running a script."), StoreUnavailable, "script"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), StoreUnavailable, "replicas"),
        (
            exceptions.ResponseError(
                "Error running script (call to f_1): @user_script:18: @user_script: 18: -READONLY You can't write"
            ),
            StoreUnavailable,
            "replica",
        ),
        (exceptions.ResponseError("@user_script: 18: -OOM command not allowed"), StoreUnavailable, "memory is full"),
        (exceptions.AuthenticationError("invalid username-password pair"), ConfigError, "refuses us"),
        (exceptions.NoPermissionError("this user has no permissions"), ConfigError, "refuses us"),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), RestartRequired, "WRONGTYPE"),
    ],
)
def test_each_error_is_whose_it_is(error: Exception, kind: type[WorkerError], problem: str) -> None:
    raised = translated(error, "redis://cache:6379/0", "store, partition 3")
    assert type(raised) is kind
    assert problem in str(raised)
    assert "redis://cache:6379/0" in str(raised)


@pytest.mark.parametrize(
    "text",
    [
        "unknown command 'HMGETS', with args beginning with: 'leadscore' 'canary' ",
        "unknown command `HMGETS`, with args beginning with: `canary`, ",
        "wrong kind of value 'canary'",
    ],
)
def test_arguments_that_an_answer_repeats_are_left_out(text: str) -> None:
    """They would be ids of contacts, in a log."""
    assert "canary" not in str(translated(exceptions.ResponseError(text), "redis://cache:6379/0", "store"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"redis_version": "6.0.16"}, "Redis 6.0.16"),
        ({"redis_version": "5.0"}, "Redis 5.0"),
        ({"redis_version": ""}, "it is Redis"),
        ({"redis_mode": "sentinel", "role": ""}, "Sentinel"),
        ({"role": "slave"}, "replica"),
        ({"cluster_enabled": "1"}, "Cluster"),
        ({"maxmemory": "1000", "maxmemory_policy": "allkeys-lfu"}, "allkeys-lfu"),
    ],
)
def test_server_that_cannot_keep_state_is_refused(change: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check_server(GOOD | change, "redis://cache:6379/0")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"redis_version": "6.2.0"},
        {"redis_version": "10.0.1"},
        {"maxmemory": "1000", "maxmemory_policy": "noeviction", "cluster_enabled": "0", "loading": "0"},
    ],
)
def test_server_that_can_is_taken(change: dict[str, str]) -> None:
    check_server(GOOD | change, "redis://cache:6379/0")


def test_server_that_loads_its_data_is_a_matter_of_time() -> None:
    with pytest.raises(StoreUnavailable, match="loading"):
        check_server(GOOD | {"loading": "1"}, "redis://cache:6379/0")
