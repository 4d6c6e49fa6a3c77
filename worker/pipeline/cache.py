"""Decoded contacts in memory: the busy ones stay, those whose writes are under way must."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.codec import decode_contact
from worker.scoring.contact import Contact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from worker.pipeline.inputs import GetMany
    from worker.scoring.matching import Matcher
    from worker.scoring.model import Model


class ContactCache:
    """
    Contacts by key, least recently written first.

    A contact that the open round has changed (*dirty*), or whose write is not yet in the store (*in flight*), is never dropped:
    it would be read back as it was before.
    """

    __slots__ = ("_limit", "_matchers", "_models", "contacts", "dirty", "in_flight")

    def __init__(self, models: Sequence[Model], matchers: Sequence[Matcher], limit: int) -> None:
        self._models = models
        self._matchers = matchers
        self._limit = limit
        self.contacts: dict[bytes, Contact] = {}
        self.dirty: dict[bytes, Contact] = {}
        self.in_flight: dict[bytes, Contact] = {}

    def load(self, keys: Iterable[bytes], get_many: GetMany) -> None:
        """Bring the contacts of *keys* into memory, those that are not there in one call."""
        contacts = self.contacts
        missing = [key for key in dict.fromkeys(keys) if key not in contacts]
        if not missing:
            return
        for key, value in zip(missing, get_many(missing), strict=True):
            if value is None:
                contacts[key] = Contact(len(self._models))
            else:
                contacts[key] = decode_contact(value, self._models, self._matchers)

    def touch(self, key: bytes, contact: Contact) -> None:
        """Note that the open round has changed *contact*."""
        contact.is_dirty = True
        self.dirty[key] = contact

    def close_round(self) -> dict[bytes, Contact]:
        """Return the changed contacts; they are in flight until `settle`."""
        closed = self.in_flight = self.dirty
        self.dirty = {}
        return closed

    def settle(self) -> None:
        """Take note that what was in flight is stored, and drop what is beyond the limit."""
        contacts = self.contacts
        for key in self.in_flight:
            contacts[key] = contacts.pop(key)
        self.in_flight = {}
        too_many = len(contacts) - self._limit
        if too_many > 0:
            for key in [key for key, contact in contacts.items() if not contact.is_dirty][:too_many]:
                del contacts[key]
