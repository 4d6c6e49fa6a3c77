"""
How many bytes a decoded contact takes in memory, from what is known of it at no cost.

Calibrated with the resident memory of interpreted workers (`python -m tests.bench.memory`); compiled ones need less. It is an
estimate: right within a quarter for contacts with 1 to 60 events under the shipped models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.scoring.contact import Contact

_CONTACT = 350
"""With its key and its places in dictionaries."""
_STATE = 1_050
_ENTRY = 110
"""Of the journal: instant, id, places."""
_KEYED = 330
"""More, of one with a once-key: what it matched is then seldom shared with other events."""
_RULE = 360
"""That has given: sums, instants, once-keys; in the base and in the head."""
_A_STORED_BYTE = 2
"""For all else, such as attributes, lots and once-keys: about twice what it takes when stored."""


def memory_bytes(contact: Contact) -> int:
    """Return about how many bytes *contact* takes, once its heads are folded."""
    size = _CONTACT + _A_STORED_BYTE * contact.size_bytes
    for state in contact.models:
        size += _STATE
        if state is not None:
            entries, keyed, rules = state.history.extent
            size += _ENTRY * entries + _KEYED * keyed + _RULE * rules
    return size
