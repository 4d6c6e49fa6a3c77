"""What is scored in the simulation: two small models, settings, events as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.simulation.plan import Plan
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model
from worker.settings import Settings, load_settings
from worker.stream.app import scoring_pipeline
from worker.stream.ports import Pipeline

TYPES = ("page.viewed", "form.submitted", "call.made", "mail.bounced", "demo.asked", "noise.made", "contact.erased")
"""Types of events by number; of the last one there is only one in ten."""

POINTS = {"page.viewed": 7, "form.submitted": 20, "call.made": 30, "mail.bounced": -9, "demo.asked": 25}
"""What `plain` gives for each event of a type, without limits and for ever: its scores are sums."""
ONCE = "form.submitted"
"""For this one `plain` gives points once a contact."""
READY_AT = 60

_PLAIN: dict[str, Any] = {
    "model": "plain",
    "version": 1,
    "lateness": "520w",
    "score": {"floor": -1_000_000},
    "rules": [
        {"rule": kind, "when": {"type": kind}, "points": points, **({"once_per": "contact"} if kind == ONCE else {})}
        for kind, points in POINTS.items()
    ],
    "qualify": {"when": {"score": {"at_least": READY_AT}}, "rearm": {"score": {"less_than": 40}}},
}
_FADING: dict[str, Any] = {
    "model": "fading",
    "version": 1,
    "lateness": "60s",
    "groups": {"engagement": {"decay": {"half_life": "2m"}}},
    "rules": [
        {"rule": "viewed", "when": {"type": "page.viewed"}, "points": 10, "limit": {"times": 3, "within": "60s"}},
        {"rule": "form", "when": {"type": "form.submitted"}, "points": 20, "once_per": "contact"},
        {"rule": "called", "when": {"type": "call.made"}, "points": 30},
        {"rule": "bounced", "when": {"type": "mail.bounced"}, "points": -15},
    ],
    "inactivity": [{"after": "5m", "points": -5}, {"after": "15m", "reset": ["engagement"]}],  # no `every`: it costs
    "tiers": {"cold": 0, "warm": 15, "hot": 30},
    "qualify": {"when": {"score": {"at_least": 30}}, "rearm": {"score": {"less_than": 15}}},
}

_A_CONTACT_BYTES = 4_000  # in memory, under both models


@cache
def models() -> tuple[Model, ...]:
    """Return the models: sums, and one with everything that depends on time."""
    return parse_model(json.dumps(_PLAIN)), parse_model(json.dumps(_FADING))


@cache
def _settings(guarantee: str, time: str, contacts: int, instance_id: str) -> Settings:
    return load_settings(
        {
            "LEADSCORE_BROKERS": "simulated:1",
            "LEADSCORE_GUARANTEE": guarantee,
            "LEADSCORE_TIME": time,
            "LEADSCORE_CACHE_BYTES": str(contacts * _A_CONTACT_BYTES),
            "LEADSCORE_SESSION_TIMEOUT": "2s",
            "LEADSCORE_ERASURE_KEY": "a key of thirty-two bytes, or so",
            **({"LEADSCORE_INSTANCE_ID": instance_id} if instance_id else {}),
        }
    )


def settings_for(plan: Plan, instance_id: str = "") -> Settings:
    """Return the settings of a worker in *plan*."""
    return _settings(plan.guarantee, plan.time, plan.cache, instance_id)


def pipeline_for(plan: Plan) -> Pipeline:
    """Return the real scoring, as a worker in *plan* wires it: each has a budget of its own for contacts in memory."""
    return scoring_pipeline(_settings(plan.guarantee, plan.time, plan.cache, ""), models())


def event_bytes(event_id: str, contact: str, kind: str, at_ms: int) -> bytes:
    """Return an event."""
    fields: Mapping[str, Any] = {"id": event_id, "contact_id": contact, "type": kind, "occurred_at": at_ms}
    return json.dumps(fields).encode()
