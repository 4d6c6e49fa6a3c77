"""From a store's URL to the store; the one place that knows which stores exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import ConfigError
from worker.settings.store_url import SERVER_SCHEMES, hide_password, parse_server_url
from worker.stores.memory import MemoryStore
from worker.stores.redis_access import RedisAccess

if TYPE_CHECKING:
    from worker.stores.base import ContactStore


def open_store(
    url: str, *, app_id: str = "lead-scoring", redis: RedisAccess | None = None, rocksdb_bytes: int = 96 << 20
) -> ContactStore:
    """
    Return the store that *url* names, with no partition open yet and nothing written.

    Args:
        url: ``memory://``, ``rocksdb://./state`` (below the working directory), ``rocksdb:///var/lib/state``,
            ``redis://user@host:6379/0``, ``rediss://`` alike (TLS), or ``redis+unix:///path/of/socket?db=0``.
        app_id: Whose state it is. State of another app id is refused or not seen, since its changelog is another topic.
        redis: Password, certificates and patience, for Redis.
        rocksdb_bytes: Memory of RocksDB for all partitions together.

    Raises:
        ConfigError: no such kind of store, its path cannot be a directory, or a certificate cannot be used.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory" and not rest:
        return MemoryStore()
    if scheme == "rocksdb" and rest:
        from worker.stores.rocksdb import RocksDbStore  # noqa: PLC0415  a 15 MB library that memory:// does not need

        return RocksDbStore(Path(rest), app_id=app_id, memory_bytes=rocksdb_bytes)
    if scheme in SERVER_SCHEMES:
        from worker.stores.redis import RedisStore  # noqa: PLC0415  as above

        try:
            server = parse_server_url(url)
        except ValueError as problem:
            raise _refusal(url, f"not a store: {problem}") from None  # its traceback could show the password
        return RedisStore(server, app_id=app_id, access=redis or RedisAccess())
    raise _refusal(url, "not a store")


def _refusal(url: str, problem: str) -> ConfigError:
    return ConfigError(
        where="LEADSCORE_STORE",
        problem=f"{hide_password(url)!r} is {problem}",
        fix="write rocksdb://./state, rocksdb:///var/lib/leadscore, redis://host:6379/0, rediss://host:6379/0 or memory://",
    )
