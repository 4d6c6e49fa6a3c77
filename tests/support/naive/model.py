"""Reading a model file as it was parsed: defaults and durations, nothing compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Model = dict[str, Any]
"""A model file as parsed, no defaults filled in."""

ENGAGEMENT = "engagement"
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_NO_SIGN_OF_LIFE = ["email.delivered", "email.bounced", "email.spam_reported", "email.unsubscribed"]


def duration_ms(text: str) -> int:
    """
    Return *text* in ms.

    >>> duration_ms("2w")
    1209600000
    """
    number, unit = re.fullmatch(r"(\d+)([smhdw])", text).groups()  # type: ignore[union-attr]
    return int(number) * _UNIT_MS[unit]


def lateness_ms(model: Model) -> int:
    """Return how long events may come out of order; 3 d by default."""
    return duration_ms(model.get("lateness", "3d"))


def group_names(model: Model) -> list[str]:
    """Return the groups in file order; `engagement` is always there, first when the file does not list it."""
    listed = list(model.get("groups") or {})
    return listed if ENGAGEMENT in listed else [ENGAGEMENT, *listed]


def group_settings(model: Model, name: str) -> Mapping[str, Any]:
    """Return what the file says of the group *name*."""
    return (model.get("groups") or {}).get(name) or {}


def rules_of(model: Model) -> list[dict[str, Any]]:
    """Return the rules in file order."""
    return model.get("rules") or []


def rule_group(rule: Mapping[str, Any]) -> str:
    """Return the group a rule gives to."""
    return str(rule.get("group", ENGAGEMENT))


def half_life_ms(model: Model, rule: Mapping[str, Any]) -> int | None:
    """Return the half-life of a rule's points, from its group when it has no decay of its own; None never fades."""
    decay = rule["decay"] if "decay" in rule else group_settings(model, rule_group(rule)).get("decay")
    if decay is None or decay == "none":
        return None
    if set(decay) != {"half_life"}:
        raise NotImplementedError(decay)
    return duration_ms(decay["half_life"])


def is_sign_of_life(model: Model, event_type: str) -> bool:
    """Return whether a human's event of this type shows that the contact is alive; only inactivity asks."""
    if not model.get("inactivity"):
        return False
    activity = model.get("activity") or {"not_types": _NO_SIGN_OF_LIFE}
    if "types" in activity:
        return event_type in activity["types"]
    return event_type not in activity["not_types"]
