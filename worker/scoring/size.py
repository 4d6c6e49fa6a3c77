"""How large the stored state of one contact may become under a model: a bound, computed before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.attributes import MAX_VALUE_BYTES as MAX_VALUE_BYTES_OF_ATTRIBUTE
from worker.scoring.attributes import WINDOW_BYTES
from worker.scoring.fold import ADJUSTMENTS_KEPT
from worker.scoring.history import LATE_IDS, WINDOW_EVENTS
from worker.scoring.limits import Rolling
from worker.scoring.once import KEYS_KEPT

if TYPE_CHECKING:
    from worker.scoring.model import Model, Rule

MAX_VALUE_BYTES = 512 * 1024
"""Of one stored value; far below what the changelog topic takes."""

_NUMBER = 9  # the longest number in MessagePack
_LIST = 5
_VALUE = 4  # name and length of an attribute's value in the journal, beyond the value as JSON
_ID = 128 + 2
_FIXED = 512  # header, names, latch, instants


def worst_case_bytes(model: Model) -> int:
    """Return the bytes that no contact's state under *model* exceeds."""
    rules = sum(_rule_bytes(model, rule) for rule in model.rules if not rule.is_fit)
    groups = len(model.groups) * (2 * _LIST + 11 * _NUMBER)  # extras and pool
    adjustments = ADJUSTMENTS_KEPT * (_LIST + 3 * _NUMBER)
    attributes = len(model.attributes) * (2 * _LIST + 2 * _NUMBER + MAX_VALUE_BYTES_OF_ATTRIBUTE)
    updates = WINDOW_BYTES + WINDOW_EVENTS * len(model.attributes) * _VALUE if model.attributes else 0
    window = WINDOW_EVENTS * _entry_bytes(model) + updates
    return _FIXED + rules + groups + adjustments + attributes + window + LATE_IDS * _NUMBER


def _rule_bytes(model: Model, rule: Rule) -> int:
    """Return the bytes that the sums or lots, once-keys, limit and award instants of *rule* take at most."""
    keys = 0 if rule.once_per is None else _LIST + (KEYS_KEPT if rule.once_per else 1) * _NUMBER
    times = 0 if rule.limit is None else _LIST + (rule.limit.times if isinstance(rule.limit, Rolling) else 2) * _NUMBER
    decay = model.dated[rule.index]
    lots = 0 if decay is None else _LIST + (decay.ms // decay.width_ms + 2) * 2 * _NUMBER
    seen = _LIST + model.seen_kept.get(rule.index, 0) * _NUMBER
    return _LIST + 6 * _NUMBER + keys + times + lots + seen


def _entry_bytes(model: Model) -> int:
    """Return the bytes that one event of the journal takes at most: instant, id, and every rule that it can match."""
    rules = [rule for rule in model.rules if not rule.is_fit]
    of_any_type = sum(rule.when.types is None for rule in rules)
    named: dict[str, int] = {}
    for rule in rules:
        for name in rule.when.types or ():
            named[name] = named.get(name, 0) + 1
    matches = of_any_type + max(named.values(), default=0)
    return _NUMBER + _ID + 2 * _LIST + 5 * _NUMBER + matches * 3 * _NUMBER
