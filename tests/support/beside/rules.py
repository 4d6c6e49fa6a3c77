"""
The bare rules as somebody writes them by hand in Python: one dict of JSON values a contact, changed in place.

The floor and the stock Faust agent score with these; what they must come to is said by `oracle`, which shares nothing with them.
"""

from __future__ import annotations

from typing import Any

State = dict[str, Any]
Event = dict[str, Any]

IDS_KEPT = 64
"""How many of a contact's newest events are remembered against repeats."""

_DAY_MS = 86_400_000
_HALF_LIFE_MS = 14.0 * _DAY_MS
_READY_AT, _REARM_BELOW = 100.0 - 1e-9, 80.0 - 1e-9
_ONCE: dict[str, tuple[float, str]] = {
    "newsletter.subscribed": (10.0, ""),
    "form.submitted": (20.0, "form_id"),
    "asset.downloaded": (20.0, "asset_id"),
    "webinar.attended": (30.0, "webinar_id"),
}
_EACH_TIME = {
    "email.opened": 1.0,
    "email.clicked": 5.0,
    "email.replied": 10.0,
    "demo.requested": 100.0,
    "email.unsubscribed": -50.0,
}


def new_state() -> State:
    """Return the state of a contact that nothing is known of."""
    #       lasting     fading    as of   last day, pricing week  is ready     once keys  newest ids
    return {"o": 0.0, "v": 0.0, "t": 0, "d": -1, "w": -1, "r": False, "k": [], "i": []}


def apply_event(state: State, event: Event) -> float | bool | None:
    """
    Take *event* into *state*.

    Returns:
        The score when the contact has just become sales-ready; False when not; None for a repeat, which changes nothing.
    """
    ids, event_id = state["i"], event["id"]
    if event_id in ids:
        return None
    ids.append(event_id)
    if len(ids) > IDS_KEPT:
        del ids[0]
    at_ms: int = event["occurred_at"]
    fading: float = state["v"]
    lasting: float = state["o"]
    if at_ms > state["t"]:
        if fading:
            fading *= 2.0 ** ((state["t"] - at_ms) / _HALF_LIFE_MS)
        state["t"] = at_ms
    if state["r"] and lasting + fading < _REARM_BELOW:
        state["r"] = False  # it had cooled before this event
    points = _points(state, event, at_ms)
    if points is None:
        state["v"] = fading
    elif event["type"] in _ONCE:
        state["o"] = lasting = lasting + points
        state["v"] = fading
    else:
        state["v"] = fading = fading + points
    score = lasting + fading
    if state["r"]:
        state["r"] = score >= _REARM_BELOW
    elif points is not None and points >= 0.0 and score >= _READY_AT:
        state["r"] = True
        return score
    return False


def _points(state: State, event: Event, at_ms: int) -> float | None:
    """Return what *event* is worth; None when no rule gives anything."""
    kind = event["type"]
    if kind == "page.viewed":
        if event["properties"]["path"].startswith("/pricing"):
            week = (at_ms // _DAY_MS + 3) // 7  # 1970-01-01 was a Thursday
            if week != state["w"]:
                state["w"] = week
                return 16.0
        return 1.0
    each = _EACH_TIME.get(kind)
    if each is not None:
        return each
    if kind == "session.started":
        day = at_ms // _DAY_MS
        if day == state["d"]:
            return None
        state["d"] = day
        return 5.0
    once = _ONCE.get(kind)
    if once is None:
        return None
    points, name = once
    key = kind + event["properties"][name] if name else kind
    if key in state["k"]:
        return None
    state["k"].append(key)
    return points
