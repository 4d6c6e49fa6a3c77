"""Stored contacts carried over to a new version of a model, in rounds, before anything is read; a restart goes on where it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from worker.errors import StoreUnavailable
from worker.logs import log_event
from worker.pipeline.graves import FIRST_CONTACT_BYTE
from worker.stores.base import StepwiseKeys

if TYPE_CHECKING:
    from worker.stores.base import ContactStore
    from worker.stream.rounds import OwnedPartition
    from worker.stream.store_access import StoreAccess

_log = logging.getLogger(__name__)

_CARRIED_A_ROUND = 2_000
"""Contacts carried over in one round."""


async def carry_over(one: OwnedPartition, store: ContactStore, access: StoreAccess) -> None:
    """Carry all contacts of *one* over, if there is a new version of a model; while the store is away, wait for it."""
    after = one.scoring.carries_over_from
    if after is None:
        return
    log_event(_log, logging.INFO, "carry_over_begun", partition=one.number, resumed=bool(after))
    contacts = _Contacts(one, store, access)
    carried = 0
    while one.scoring.carries_over_from is not None:
        keys = await contacts.next_keys()
        is_last = len(keys) < _CARRIED_A_ROUND
        await access.call(partial(one.carry_over, keys, is_last=is_last))
        await one.settle_round()
        carried += len(keys)
    await one.settle_round()  # without the rows that only the states before needed
    log_event(_log, logging.INFO, "carry_over_ended", partition=one.number, contacts=carried)


class _Contacts:
    """The keys of contacts that are still to be carried over, in order."""

    def __init__(self, one: OwnedPartition, store: ContactStore, access: StoreAccess) -> None:
        self._one = one
        self._store = store
        self._access = access
        self._scan: Iterator[list[bytes]] | None = None
        self._waiting: list[bytes] = []
        self._is_over = False

    async def next_keys(self) -> list[bytes]:
        """Return the keys for one round; after StoreUnavailable the scan begins anew behind what was carried over."""
        while not self._is_over and len(self._waiting) < _CARRIED_A_ROUND:
            found = await self._access.call(self._step)
            self._waiting += found
            await asyncio.sleep(0)  # a store without order looks through all keys before it gives the first
        keys, self._waiting = self._waiting[:_CARRIED_A_ROUND], self._waiting[_CARRIED_A_ROUND:]
        return keys

    def _step(self) -> list[bytes]:
        try:
            if self._scan is None:
                self._scan = self._begin()
            found = next(self._scan, None)
        except StoreUnavailable:
            self._scan, self._waiting = None, []
            raise
        self._is_over = found is None
        return found or []

    def _begin(self) -> Iterator[list[bytes]]:
        after = self._one.scoring.carries_over_from or b""
        first = max(after + b"\x00", bytes([FIRST_CONTACT_BYTE]))
        if isinstance(self._store, StepwiseKeys):
            return self._store.keys_in_steps(self._one.number, first)
        keys = (key for key, _ in self._store.iterate(self._one.number) if key >= first)
        return iter(lambda: list(islice(keys, _CARRIED_A_ROUND)), [])
