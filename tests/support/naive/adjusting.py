"""Points given by hand, and what sales says: which of it has an effect, and what that does to a state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.naive.decay import pool_give
from tests.support.naive.events import NaiveEvent, to_ms
from tests.support.naive.model import ENGAGEMENT, Model, drain_of, group_names
from tests.support.naive.state import Expiring, State

EXPIRING_KEPT = 64


@dataclass(frozen=True)
class Adjustment:
    """Points given by hand; they stay for good when nothing says until when."""

    group: str
    points: float
    expires_at: int | None


def adjustment_of(model: Model, event: NaiveEvent) -> Adjustment | None:
    """
    Return the adjustment that *event* makes; None when it is none or has no effect.

    A group that drains does not look at the expiry at all.
    """
    if event.type != "score.adjusted":
        return None
    group = event.properties.get("group")
    group = ENGAGEMENT if group is None else group
    if group not in group_names(model):
        return None
    expires = event.properties.get("expires_at")
    expires_at = None if expires is None or drain_of(model, group) is not None else to_ms(expires)
    if expires_at is not None and expires_at <= event.at:
        return None
    return Adjustment(group, event.properties["points"], expires_at)


def adjust(state: State, adjustment: Adjustment, at: int) -> None:
    """Give the points at *at*; of those with an expiry only the last to expire are kept."""
    state.is_scored = True
    extras = state.extras[adjustment.group]
    drain = drain_of(state.model, adjustment.group)
    points = adjustment.points
    if drain is not None:
        pool_give(extras.pool, drain, points, at)
    elif adjustment.expires_at is not None:
        state.expiring.append(Expiring(adjustment.group, points, adjustment.expires_at))
        state.expiring = [one for one in state.expiring if one.expires_at > at]
        while len(state.expiring) > EXPIRING_KEPT:
            # of equals min finds the first, and they lie in the order in which they were given
            soonest = min(range(len(state.expiring)), key=lambda place: state.expiring[place].expires_at)
            del state.expiring[soonest]
    elif points > 0:
        extras.adjusted_plus += points
    else:
        extras.adjusted_minus += points


def feedback_of(model: Model, event: NaiveEvent) -> dict[str, Any]:
    """Return what the model does about this word from sales; nothing when it is meant for another model."""
    meant_for = event.properties.get("model")
    if meant_for is not None and meant_for != model["model"]:
        return {}
    return (model.get("feedback") or {}).get(event.type) or {}


def give_feedback(state: State, feedback: dict[str, Any], at: int) -> None:
    """Give the points of *feedback* at *at*."""
    if "points" not in feedback:
        return
    points = feedback["points"]
    name = feedback.get("group", ENGAGEMENT)
    extras = state.extras[name]
    drain = drain_of(state.model, name)
    if drain is not None:
        pool_give(extras.pool, drain, points, at)
    elif points > 0:
        extras.feedback_plus += points
    else:
        extras.feedback_minus += points
