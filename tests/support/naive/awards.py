"""Who gets an award: once-keys and limits; and what an award leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.naive.decay import curve_give, pool_give
from tests.support.naive.events import UNIX_EPOCH, NaiveEvent, field_of
from tests.support.naive.model import decay_of, drain_of, duration_ms, once_fields, rule_group, rules_of
from tests.support.naive.state import State

ONCE_KEYS_KEPT = 200


def allows(state: State, index: int, event: NaiveEvent, at: int) -> bool:
    """Return whether both `once_per` and `limit` of rule *index* let *event* count at *at*."""
    return _once_allows(state, index, event) and _limit_allows(state, index, at)


def award(state: State, index: int, event: NaiveEvent, at: int) -> None:
    """Give the points of rule *index* at *at*; they have been fading since the event's own instant."""
    rule = rules_of(state.model)[index]
    given = state.given[index]
    name = rule_group(rule)
    drain = drain_of(state.model, name)
    if drain is not None:
        pool_give(state.extras[name].pool, drain, rule["points"], at)
    else:
        curve_give(given, decay_of(state.model, rule), rule["points"], event.at)
    given.instants.append(at)
    given.seen.append(at)
    if "once_per" in rule:
        given.keys.append(_once_key(rule, event, state.known.attributes))
        given.keys = given.keys[-ONCE_KEYS_KEPT:]
    state.is_scored = True


def _once_allows(state: State, index: int, event: NaiveEvent) -> bool:
    rule = rules_of(state.model)[index]
    return "once_per" not in rule or _once_key(rule, event, state.known.attributes) not in state.given[index].keys


def _once_key(rule: Mapping[str, Any], event: NaiveEvent, attributes: Mapping[str, Any]) -> Any:
    return tuple(_json_value(field_of(event, name, attributes)) for name in once_fields(rule))


def _json_value(value: Any) -> Any:
    """Return a value whose equality keeps the JSON types apart; 1 and 1.0 are one number."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", Fraction(value))
    if isinstance(value, list):
        return ("array", tuple(_json_value(one) for one in value))
    if isinstance(value, dict):
        return ("object", tuple(sorted((key, _json_value(one)) for key, one in value.items())))
    return (type(value).__name__, value)


def _limit_allows(state: State, index: int, at: int) -> bool:
    rule = rules_of(state.model)[index]
    if "limit" not in rule:
        return True
    limit = rule["limit"]
    instants = state.given[index].instants
    if "within" in limit:
        counted = [one for one in instants if at - duration_ms(limit["within"]) < one <= at]
    else:
        zone = state.model.get("time_zone", "UTC")
        counted = [one for one in instants if _period(one, limit["per"], zone) == _period(at, limit["per"], zone)]
    return bool(len(counted) < limit["times"])


def _period(at: int, per: str, zone: str) -> tuple[int, ...]:
    civil = (UNIX_EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))
    if per == "day":
        return civil.year, civil.month, civil.day
    if per == "week":
        return tuple(civil.isocalendar()[:2])
    return civil.year, civil.month
