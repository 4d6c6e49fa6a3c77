"""How large the stored state of one contact may become under a model: a bound, computed before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.history import LATE_IDS, WINDOW_EVENTS
from worker.scoring.limits import Rolling
from worker.scoring.once import KEYS_KEPT

if TYPE_CHECKING:
    from worker.scoring.model import Model, Rule

MAX_VALUE_BYTES = 512 * 1024
"""Of one stored value; far below what the changelog topic takes."""

_NUMBER = 9  # the longest number in MessagePack
_LIST = 5
_ID = 128 + 2
_FIXED = 512  # header, names, latch, instants


def worst_case_bytes(model: Model) -> int:
    """Return the bytes that no contact's state under *model* exceeds."""
    rules = sum(_rule_bytes(rule) for rule in model.rules)
    groups = len(model.groups) * 5 * _NUMBER
    return _FIXED + rules + groups + WINDOW_EVENTS * _entry_bytes(model) + LATE_IDS * _NUMBER


def _rule_bytes(rule: Rule) -> int:
    """Return the bytes that the sums, once-keys and limit of *rule* take at most."""
    keys = 0 if rule.once_per is None else _LIST + (KEYS_KEPT if rule.once_per else 1) * _NUMBER
    times = 0 if rule.limit is None else _LIST + (rule.limit.times if isinstance(rule.limit, Rolling) else 2) * _NUMBER
    return _LIST + 6 * _NUMBER + keys + times


def _entry_bytes(model: Model) -> int:
    """Return the bytes that one event of the journal takes at most: instant, id, and every rule that it can match."""
    of_any_type = sum(rule.when.types is None for rule in model.rules)
    named: dict[str, int] = {}
    for rule in model.rules:
        for name in rule.when.types or ():
            named[name] = named.get(name, 0) + 1
    matches = of_any_type + max(named.values(), default=0)
    return _NUMBER + _ID + _LIST + 2 * _NUMBER + matches * 2 * _NUMBER
