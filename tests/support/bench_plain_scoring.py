"""
The rules of simple-100 as somebody writes them by hand for one agent: points, limits, half-lives, once-keys, duplicates.

One dict of JSON values a contact. What the worker adds (late events in their place, timers, reasons, tiers, feedback) is left out:
this is the work that a stock Faust agent is given, and so it is easier than the worker's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

State = dict[str, Any]
Event = dict[str, Any]

DAY_MS = 86_400_000
_WEEK_MS = 7 * DAY_MS
_MONTH_MS = 30 * DAY_MS
_IDS_KEPT = 64
_FLOOR, _CAP = 0.0, 200.0
_READY_AT, _REARM_BELOW = 100.0, 80.0


class _Rule(NamedTuple):
    points: float
    half_life_ms: float = 0.0  # 0: stays
    once_per: tuple[str, ...] | None = None  # properties; (): once a contact
    a_day: bool = False
    within_ms: int = 0
    starts_with: str = ""
    kind: str = ""
    cap: float = 0.0


_RULES: dict[str, tuple[_Rule, ...]] = {
    "newsletter.subscribed": (_Rule(10.0, once_per=()),),
    "form.submitted": (_Rule(20.0, once_per=("form_id",)),),
    "asset.downloaded": (_Rule(20.0, once_per=("asset_id",)),),
    "webinar.registered": (_Rule(10.0, once_per=("webinar_id",)),),
    "webinar.attended": (_Rule(30.0, once_per=("webinar_id",)),),
    "demo.requested": (_Rule(100.0, a_day=True),),
    "session.started": (_Rule(5.0, _MONTH_MS, a_day=True),),
    "page.viewed": (
        _Rule(15.0, _MONTH_MS, within_ms=_WEEK_MS, starts_with="/pricing"),
        _Rule(-10.0, 3 * _MONTH_MS, a_day=True, starts_with="/careers", cap=20.0),
    ),
    "email.opened": (_Rule(1.0, _MONTH_MS, once_per=("message_id",)),),
    "email.clicked": (_Rule(5.0, _MONTH_MS, once_per=("message_id", "url")),),
    "email.replied": (_Rule(10.0, _MONTH_MS),),
    "email.unsubscribed": (_Rule(-50.0, 3 * _MONTH_MS),),
    "email.bounced": (_Rule(-20.0, 3 * _MONTH_MS, kind="hard"),),
    "email.spam_reported": (_Rule(-100.0, 3 * _MONTH_MS),),
}


def new_state() -> State:
    """Return the state of a contact that nothing is known of."""
    return {"rules": {}, "ids": [], "is_ready": False}


def apply_event(state: State, event: Event, at_ms: int) -> float | None:
    """
    Take *event* into *state*, which is changed in place.

    Returns:
        The score when it has just become 100 or more, else None.
    """
    ids = state["ids"]
    if event["id"] in ids:
        return None
    ids.append(event["id"])
    del ids[:-_IDS_KEPT]
    for number, rule in enumerate(_RULES.get(event["type"], ())):
        _award(state["rules"], f"{event['type']}/{number}", rule, event["properties"], at_ms)
    score = _score(state["rules"], at_ms)
    if state["is_ready"]:
        state["is_ready"] = score >= _REARM_BELOW
    elif score >= _READY_AT:
        state["is_ready"] = True
        return score
    return None


def _award(given: dict[str, Any], name: str, rule: _Rule, properties: Event, at_ms: int) -> None:
    if rule.starts_with and not properties.get("path", "").startswith(rule.starts_with):
        return
    if rule.kind and properties.get("kind") != rule.kind:
        return
    one = given.get(name) or {
        "value": 0.0,
        "at": at_ms,
        "last": None,
        "keys": [],
        "half_life": rule.half_life_ms,
        "cap": rule.cap,
    }
    if rule.once_per is not None:
        key = "\n".join(str(properties.get(field)) for field in rule.once_per)
        if key in one["keys"]:
            return
        one["keys"].append(key)
    last = one["last"]
    if last is not None and rule.a_day and last // DAY_MS == at_ms // DAY_MS:
        return
    if last is not None and rule.within_ms and at_ms - last < rule.within_ms:
        return
    one["value"] = _left(one, at_ms) + rule.points
    one["at"] = one["last"] = at_ms
    given[name] = one


def _left(one: dict[str, Any], at_ms: int) -> float:
    """Return what is left of the points of one rule."""
    value: float = one["value"]
    if one["half_life"]:
        value *= 2.0 ** ((one["at"] - at_ms) / one["half_life"])
    return value if not one["cap"] else max(-one["cap"], min(one["cap"], value))


def _score(given: dict[str, Any], at_ms: int) -> float:
    total = 0.0
    for one in given.values():
        total += _left(one, at_ms)
    return max(_FLOOR, min(_CAP, total))
