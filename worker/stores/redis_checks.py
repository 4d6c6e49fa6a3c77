"""What a Redis server must be before state is kept in it, judged by its answer to INFO."""

from __future__ import annotations

import re
from collections.abc import Mapping

from worker.errors import ConfigError, StoreUnavailable

LEAST_VERSION = (6, 2)


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
