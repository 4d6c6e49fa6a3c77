"""From a store's URL to the store; the one place that knows which stores exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import ConfigError
from worker.stores.memory import MemoryStore

if TYPE_CHECKING:
    from worker.stores.base import ContactStore


def open_store(url: str, *, app_id: str = "lead-scoring") -> ContactStore:
    """
    Return the store that *url* names, with no partition open yet and nothing written.

    Args:
        url: ``memory://``, ``rocksdb://./state`` (below the working directory) or ``rocksdb:///var/lib/state``.
        app_id: Whose state it is. State that another app id wrote is refused, since its changelog is another topic.

    Raises:
        ConfigError: no such kind of store, or its path cannot be a directory.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory" and not rest:
        return MemoryStore()
    if scheme == "rocksdb" and rest:
        from worker.stores.rocksdb import RocksDbStore  # noqa: PLC0415  a 15 MB library that memory:// does not need

        return RocksDbStore(Path(rest), app_id=app_id)
    raise ConfigError(
        where="LEADSCORE_STORE",
        problem=f"{url!r} is not a store",
        fix="write rocksdb://./state, rocksdb:///var/lib/leadscore or memory://",
    )
