"""Decoded contacts in memory: the busy ones stay, those whose writes are under way must."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.errors import StateError
from worker.pipeline.graves import contact_of_grave, grave_key
from worker.scoring.codec import decode_contact, fence_of
from worker.scoring.contact import NO_FENCE, TYPICAL_BYTES, Contact
from worker.scoring.footprint import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from worker.pipeline.budget import CacheBudget
    from worker.pipeline.inputs import GetMany
    from worker.scoring.carry_over import Lineage
    from worker.scoring.matching import Matcher
    from worker.scoring.model import Model


class ContactCache:
    """
    Contacts by key, least recently written first.

    A contact that the open round has changed (*dirty*), or whose write is not yet in the store (*in flight*), is never dropped:
    it would be read back as it was before.
    """

    __slots__ = (
        "_budget",
        "_erasure_key",
        "_matchers",
        "_models",
        "_where",
        "bytes",
        "contacts",
        "dirty",
        "dirty_bytes",
        "has_graves",
        "in_flight",
        "lineage",
    )

    def __init__(
        self,
        models: Sequence[Model],
        matchers: Sequence[Matcher],
        budget: CacheBudget,
        *,
        erasure_key: bytes,
        has_graves: bool,
        where: str,
    ) -> None:
        self._where = where  # for messages
        self._models = models
        self._matchers = matchers
        self._budget = budget
        self._erasure_key = erasure_key
        self.has_graves = has_graves  # whether any contact was ever erased: only then is a grave looked for
        self.lineage: Lineage | None = None  # earlier versions of models under which values may still be written
        self.contacts: dict[bytes, Contact] = {}
        self.bytes = 0  # counted for them
        self.dirty: dict[bytes, Contact] = {}
        self.dirty_bytes = 0  # about what the changed contacts will take when they are written
        self.in_flight: dict[bytes, Contact] = {}

    def load(self, keys: Iterable[bytes], get_many: GetMany) -> None:
        """
        Bring the contacts of *keys* into memory, those that are not there in one call, and their graves in another.

        Raises:
            StateError: a stored value is damaged, or was written by a version of a model that is not known.
        """
        contacts = self.contacts
        missing = [key for key in dict.fromkeys(keys) if key not in contacts]
        if not missing:
            return
        values = get_many(missing)
        # Everything is read before anything is taken in: where the store is away for the second call, the first was not made.
        graves = get_many([grave_key(key, self._erasure_key) for key in missing]) if self.has_graves else []
        try:
            for key, value in zip(missing, values, strict=True):
                if value is not None:
                    contacts[key] = decode_contact(value, self._models, self._matchers, self.lineage)
                else:
                    contacts[key] = Contact(len(self._models))
            if graves:
                self._heed_graves(missing, graves)
            more = 0
            for key in missing:
                contact = contacts[key]
                contact.memory_bytes = memory_bytes(contact)
                more += contact.memory_bytes
            self._count(more)
        except StateError as error:
            raise StateError(**error.fields | {"where": f"{self._where}, {error.fields['where']}"}) from None
        except Exception as error:  # noqa: BLE001 - whatever decoding stumbles over, a restart would stumble over it too
            raise _damaged(self._where, error) from None

    def _heed_graves(self, keys: Sequence[bytes], graves: Sequence[bytes | None]) -> None:
        """
        Let nobody come back from before an erasure.

        A value can outlive its tombstone: on a disk that was away while the tombstone was compacted away, or written by a
        worker that had been cut off. Such a value is older than the grave, and is deleted again.
        """
        for key, grave in zip(keys, graves, strict=True):
            if grave is None:
                continue
            contact = self.contacts[key]
            if contact.fence < fence_of(grave):
                is_known = contact.fence != NO_FENCE
                buried = self.contacts[key] = contact_of_grave(grave, len(self._models))
                buried.stored_fire_ms = contact.stored_fire_ms
                if is_known:
                    buried.is_buried = True
                    self.touch(key, buried)

    def touch(self, key: bytes, contact: Contact) -> None:
        """Note that the open round has changed *contact*."""
        if not contact.is_dirty:
            contact.is_dirty = True
            self.dirty[key] = contact
            self.dirty_bytes += max(TYPICAL_BYTES, contact.size_bytes)

    def _count(self, more: int) -> None:
        self.bytes += more
        self._budget.count(self, more)

    def weigh(self, contact: Contact) -> None:
        """Count anew what *contact* takes, which has been written."""
        now = memory_bytes(contact)
        self._count(now - contact.memory_bytes)
        contact.memory_bytes = now

    def close_round(self) -> dict[bytes, Contact]:
        """Return the changed contacts; they are in flight until `settle`."""
        closed = self.in_flight = self.dirty
        self.dirty = {}
        self.dirty_bytes = 0
        return closed

    def settle(self) -> None:
        """Take note that what was in flight is stored: it may leave memory again, after all that was written before."""
        contacts = self.contacts
        for key in self.in_flight:
            contacts[key] = contacts.pop(key)
        self.in_flight = {}
        self._budget.reclaim()

    def shed(self, wanted: int) -> None:
        """Let go of *wanted* bytes of contacts that may leave, or of all of these."""
        in_flight = self.in_flight
        freed = 0
        gone = []
        for key, contact in self.contacts.items():
            if freed >= wanted:
                break
            if not contact.is_dirty and key not in in_flight:
                freed += contact.memory_bytes
                gone.append(key)
        for key in gone:
            del self.contacts[key]
        self._count(-freed)

    def drop(self, key: bytes) -> None:
        """Let go of the contact of *key*, which nothing has changed."""
        self._count(-self.contacts.pop(key).memory_bytes)

    def close(self) -> None:
        """Let go of everything and give its bytes back."""
        self._budget.leave(self, self.bytes)
        self.bytes = self.dirty_bytes = 0
        self.contacts, self.dirty, self.in_flight = {}, {}, {}


def _damaged(where: str, error: Exception) -> StateError:
    return StateError(
        where=where,
        problem=f"the stored state of a contact cannot be read: damaged, or not written by this worker ({type(error).__name__})",
        fix="stop the worker and remove this partition from its store (LEADSCORE_STORE): it is restored from the changelog; "
        "should it end here again the changelog is damaged itself: bring back a copy of it, or start under another "
        "LEADSCORE_APP_ID, which reads the input from its beginning",
    )
