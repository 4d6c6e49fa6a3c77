"""What is wrong between the store's URL and the settings of Redis, each fine alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from worker.settings.declared import PREFIX
from worker.settings.problem import Problem
from worker.settings.store_url import SERVER_SCHEMES, parse_server_url

_FILES = ("redis_ca_location", "redis_certificate_location", "redis_key_location")


def redis_gaps(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what does not go together: settings without effect, files that are not there, two passwords."""
    scheme = values.get("store", "").partition("://")[0]
    is_redis = scheme in SERVER_SCHEMES
    if values.get("redis_password"):
        if not is_redis:
            yield _without_effect("redis_password", "is no Redis")
        elif parse_server_url(values["store"]).password is not None:
            yield Problem(
                f"{PREFIX}REDIS_PASSWORD", f"set, and {PREFIX}STORE holds a password too; remove the one in the URL"
            )
    for name in _FILES:
        path = values.get(name)
        if path and scheme != "rediss":
            yield _without_effect(name, "does not begin with rediss://")
        elif path and not Path(path).is_file():
            yield Problem(PREFIX + name.upper(), f"there is no file {path}; mount it, or correct the path")
    if values.get("redis_key_location") and not values.get("redis_certificate_location"):
        yield Problem(f"{PREFIX}REDIS_CERTIFICATE_LOCATION", f"not set, but {PREFIX}REDIS_KEY_LOCATION is; set both")


def _without_effect(name: str, why: str) -> Problem:
    return Problem(PREFIX + name.upper(), f"without effect, since {PREFIX}STORE {why}; remove it, or correct the store")
