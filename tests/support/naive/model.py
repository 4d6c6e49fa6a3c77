"""Reading a model file as it was parsed: defaults and durations, nothing compiled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

Model = dict[str, Any]
"""A model file as parsed, no defaults filled in."""

ENGAGEMENT = "engagement"
ATTRIBUTES = "attributes."
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_NO_SIGN_OF_LIFE = ["email.delivered", "email.bounced", "email.spam_reported", "email.unsubscribed"]


@dataclass(frozen=True)
class Decay:
    """How points fade: *form* as the file calls it, *length* in ms; *rate* is the part lost at each step of `percent`."""

    form: str
    length: int
    rate: float = 0.0


@dataclass(frozen=True)
class Drain:
    """A pool that moves *points* towards 0 at each multiple of *every* ms."""

    points: float
    every: int


@cache
def duration_ms(text: str) -> int:
    """
    Return *text* in ms.

    >>> duration_ms("2w")
    1209600000
    """
    number, unit = re.fullmatch(r"(\d+)([smhdw])", text).groups()  # type: ignore[union-attr]
    return int(number) * _UNIT_MS[unit]


def rate_of(written: str | float) -> float:
    """
    Return the rate of `percent` as a part of 1.

    >>> rate_of("2%"), rate_of(0.02)
    (0.02, 0.02)
    """
    if isinstance(written, str):
        return float(Decimal(written.removesuffix("%")) / 100)
    return float(written)


def lateness_ms(model: Model) -> int:
    """Return how long events may come out of order; 3 d by default."""
    return duration_ms(model.get("lateness", "3d"))


def group_names(model: Model) -> list[str]:
    """Return the groups in the order in which they add up: `engagement`, always there, then the others as listed."""
    return [ENGAGEMENT, *(name for name in model.get("groups") or {} if name != ENGAGEMENT)]


def group_settings(model: Model, name: str) -> Mapping[str, Any]:
    """Return what the file says of the group *name*."""
    return (model.get("groups") or {}).get(name) or {}


def drain_of(model: Model, name: str) -> Drain | None:
    """Return how the group *name* drains; None when it is no pool."""
    drain = group_settings(model, name).get("drain")
    return None if drain is None else Drain(drain["points"], duration_ms(drain["every"]))


def rules_of(model: Model) -> list[dict[str, Any]]:
    """Return the rules in file order."""
    return model.get("rules") or []


def rule_group(rule: Mapping[str, Any]) -> str:
    """Return the group a rule gives to."""
    return str(rule.get("group", ENGAGEMENT))


def is_fit_rule(rule: Mapping[str, Any]) -> bool:
    """Return whether the rule only reads attributes, so that it holds or does not."""
    return all(name.startswith(ATTRIBUTES) for name, _ in tests_in(rule["when"]))


def decay_of(model: Model, rule: Mapping[str, Any]) -> Decay | None:
    """Return how a rule's points fade, as its group says when it does not say itself; None never fades."""
    decay = rule["decay"] if "decay" in rule else group_settings(model, rule_group(rule)).get("decay")
    if decay is None or decay == "none":
        return None
    ((form, terms),) = decay.items()
    if form == "percent":
        return Decay(form, duration_ms(terms["every"]), rate_of(terms["rate"]))
    if form not in {"half_life", "linear", "expire"}:
        raise NotImplementedError(decay)
    return Decay(form, duration_ms(terms))


def tests_in(condition: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (field, test) of every line of *condition*, those of combinations included."""
    for name, test in condition.items():
        if name in {"all", "any"}:
            for one in test:
                yield from tests_in(one)
        elif name == "not":
            yield from tests_in(test)
        else:
            yield name, test


def kept_attributes(model: Model) -> frozenset[str]:
    """Return the top-level names of the attributes that the model names anywhere; no others are kept of a contact."""
    qualify = model.get("qualify") or {}
    conditions = [rule["when"] for rule in rules_of(model)]
    conditions += [qualify[name] for name in ("when", "rearm", "exclude") if name in qualify]
    named = [name for condition in conditions for name, _ in tests_in(condition)]
    named += [*qualify.get("require", []), *qualify.get("include", [])]
    named += [name for rule in rules_of(model) for name in once_fields(rule)]
    return frozenset(name.split(".")[1] for name in named if name.startswith(ATTRIBUTES))


def once_fields(rule: Mapping[str, Any]) -> list[str]:
    """Return the fields whose values make a rule's once-key; none when there is one key for the whole contact."""
    fields = rule.get("once_per", "contact")
    if fields == "contact":
        return []
    return list(fields) if isinstance(fields, list) else [fields]


def is_sign_of_life(model: Model, event_type: str) -> bool:
    """Return whether a human's event of this type shows that the contact is alive; only inactivity asks."""
    if not model.get("inactivity"):
        return False
    activity = model.get("activity") or {"not_types": _NO_SIGN_OF_LIFE}
    if "types" in activity:
        return event_type in activity["types"]
    return event_type not in activity["not_types"]
