"""What a Redis server must be before state is kept in it, judged by its answer to INFO, and the wait for that answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from worker.clock import Deadline, pause
from worker.errors import ConfigError, DependencyError, StoreUnavailable

LEAST_VERSION = (6, 2)
_FIX = "start it, or check LEADSCORE_STORE"
_TLS_FIX = "; if it asks for certificates, set LEADSCORE_REDIS_CERTIFICATE_LOCATION"


def wait_until_it_answers(check: Callable[[], None], address: str, within_s: float) -> None:
    """
    Call *check* again and again while it raises StoreUnavailable.

    Raises:
        DependencyError: it still does after *within_s* seconds.
    """
    deadline = Deadline(within_s)
    while True:
        try:
            return check()
        except StoreUnavailable as reason:
            if deadline.remaining() == 0:
                raise DependencyError(
                    what=f"Redis at {address}",
                    problem=f"{reason.fields['problem']} for {within_s:g} s",
                    fix=_FIX + (_TLS_FIX if address.startswith("rediss:") else ""),
                ) from reason
            pause(min(0.2, deadline.remaining()))


def check_server(info: Mapping[str, str], address: str) -> None:
    """
    Raise unless the server that *info* describes can keep state.

    Raises:
        ConfigError: it is too old, may evict keys, is no primary, or is part of a cluster.
        StoreUnavailable: it is still loading its data.
    """
    if info.get("loading", "0") != "0":
        raise StoreUnavailable(what=f"store at {address}", problem="it is loading its data")
    for problem, fix in _problems(info):
        raise ConfigError(where=f"LEADSCORE_STORE, {address}", problem=problem, fix=fix)


def _problems(info: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    version = re.match(r"([0-9]+)\.([0-9]+)", info.get("redis_version", ""))
    if version is None or (int(version[1]), int(version[2])) < LEAST_VERSION:
        found.append(
            (
                f"it is Redis {info.get('redis_version', 'of unknown version')}",
                "use Redis 6.2 or newer, or Valkey",
            )
        )
    if info.get("redis_mode") == "sentinel":
        found.append(("it is a Sentinel, which keeps no data", "name the primary, by an address that follows it"))
    elif info.get("role") != "master":
        found.append(("it is a replica: what is written there is lost", "name the primary"))
    if info.get("cluster_enabled", "0") != "0":
        found.append(
            ("it is a node of a Redis Cluster", "use a server, or a primary with replicas, without cluster mode")
        )
    policy = info.get("maxmemory_policy", "")
    if info.get("maxmemory", "0") != "0" and policy.startswith("allkeys"):
        found.append(
            (
                f"it may evict state: maxmemory is set and maxmemory-policy is {policy}",
                "set maxmemory-policy noeviction",
            )
        )
    return found
