"""
A contact store as Faust sees it, so that assignment, changelog names and recovery stay Faust's; the only file here that knows Faust.

Faust may ask where the state stands and may say what was revoked. It never reads or writes a row: rows are written by rounds
alone, and a write beside them would be in no changelog.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

import faust.stores
from faust.stores.base import Store
from faust.types import TP, AppT, CodecArg, CollectionT, EventT, ModelArg
from yarl import URL

from worker.errors import ConfigError
from worker.stores.base import ContactStore

SCHEME: Final = "contacts"
TABLE_STORE: Final = f"{SCHEME}://worker"
"""What to give ``app.Table`` as *store*. With an empty host yarl calls the URL false, and Faust would take its default store."""
OPTION: Final = "contact_store"
"""The name in the options of ``app.Table`` under which the opened ContactStore is given."""


def register() -> None:
    """Make the scheme `contacts` known to Faust; doing it twice changes nothing."""
    faust.stores.STORES.aliases[SCHEME] = f"{__name__}:FaustContactStore"


def table_options(store: ContactStore) -> dict[str, Any]:
    """
    Return the arguments of ``app.Table`` that put *store* behind a table.

    ``app.Table("contacts", **table_options(store), partitions=4)``; keys and values of the table are raw bytes.
    """
    register()
    return {"store": TABLE_STORE, "options": {OPTION: store}, "key_type": bytes, "value_type": bytes}


class FaustContactStore(Store[bytes, bytes]):
    """
    The adapter of one table. Opening partitions is left to whoever restores them, closing all of them to whoever opened the store.

    Raises:
        ConfigError: no ContactStore in *options*.
    """

    def __init__(
        self,
        url: str | URL,
        app: AppT,
        table: CollectionT,
        *,
        table_name: str = "",
        key_type: ModelArg | None = None,
        value_type: ModelArg | None = None,
        key_serializer: CodecArg = None,
        value_serializer: CodecArg = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        store = (options or {}).get(OPTION)
        if store is None:
            raise ConfigError(
                where=f"table {table_name or table.name}",
                problem="no contact store was given with it",
                fix="make the table with app.Table(name, **table_options(open_store(url)))",
            )
        self.contacts: ContactStore = store
        super().__init__(
            url,
            app,
            table,
            table_name=table_name,
            key_type=key_type,
            value_type=value_type,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            options=options,
            **kwargs,
        )

    logger = logging.getLogger("faust")  # Mode would make one of its own, past our log levels

    def persisted_offset(self, tp: TP) -> int | None:
        """Return the changelog offset that *tp*'s partition stands at; None when it is empty or not open yet. No I/O."""
        try:
            return self.contacts.changelog_offset(tp.partition)
        except RuntimeError:  # not open: Faust asks before the restore opens it
            return None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Do nothing: the offset is written together with the rows it stands for, or it would lie."""

    async def need_active_standby_for(self, tp: TP) -> bool:
        """Return False: there are no standbys, a restore takes their place."""
        return False

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        """Close what went to others. Nothing is opened here: no heartbeats run during this call."""
        for tp in revoked - assigned:
            if tp.topic in self.table.changelog_topic.topics:
                self.contacts.close(tp.partition)

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], Any],
        to_value: Callable[[Any], Any],
    ) -> None:
        """Refuse: the restore reads the changelog itself, in batches and with its own fences."""
        if any(True for _ in batch):
            self._refuse()

    def reset_state(self) -> None:
        """Refuse: remove the state directory instead; it is restored from the changelog."""
        self._refuse()

    async def backup_partition(self, tp: TP | int, flush: bool = True, purge: bool = False, keep: int = 1) -> None:  # noqa: FBT001, FBT002
        """Refuse: the changelog is the backup."""
        self._refuse()

    def restore_backup(self, tp: TP | int, latest: bool = True, backup_id: int = 0) -> None:  # noqa: FBT001, FBT002
        """Refuse: the changelog is the backup."""
        self._refuse()

    def __bool__(self) -> bool:
        return True  # a mapping without rows would be false, and counting them is refused

    def __getitem__(self, key: bytes) -> bytes:
        self._refuse()

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._refuse()

    def __delitem__(self, key: bytes) -> None:
        self._refuse()

    def __contains__(self, key: object) -> bool:
        self._refuse()

    def __iter__(self) -> Iterator[bytes]:
        self._refuse()

    def __len__(self) -> int:  # noqa: PLE0303
        self._refuse()

    def keys(self) -> NoReturn:
        """Refuse: see the module."""
        self._refuse()

    def items(self) -> NoReturn:
        """Refuse: see the module."""
        self._refuse()

    def values(self) -> NoReturn:
        """Refuse: see the module."""
        self._refuse()

    def update(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Refuse: see the module."""
        self._refuse()

    def clear(self) -> None:
        """Refuse: see the module."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RuntimeError(f"table {self.table_name} is read and written by rounds only, through its contact store")
