"""
Generated histories of events, as a hurried producer would make them, and the ways in which they arrive.

Instants fall on a coarse lattice with a ms more or less, so that limits, half-lives, idle steps and the edge of the
window are met exactly; ids and once-keys come from small pools, so that they repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.support.generated_events import ONCE_VALUES
from tests.support.generated_rules import FEEDBACK_TYPES, TYPES
from tests.support.lattice import DAY, DELAYS_BEYOND, DELAYS_WITHIN, GAPS, HOUR, MINUTE, SECOND, START
from tests.support.simple_models import lateness_of, model_text, models

__all__ = [
    "CLOCK",
    "DAY",
    "GAPS",
    "HOUR",
    "MINUTE",
    "SECOND",
    "START",
    "arrivals",
    "clock_event",
    "happenings",
    "lateness_of",
    "model_text",
    "models",
]

Json = dict[str, Any]


CLOCK = "zz-clock"
"""A contact that only makes time pass for the others."""


def clock_event(instant: int) -> Json:
    """Return an event that brings a partition's time forward and means nothing else to anybody but `CLOCK`."""
    return {"id": "tick", "contact_id": CLOCK, "type": "clock.ticked", "occurred_at": instant, "machine": True}


@st.composite
def happenings(draw: st.DrawFn, *, max_size: int = 25, contacts: int = 2) -> list[Json]:
    """Events in the order of their instants; ids are distinct within a contact."""
    instant = START
    happened = []
    for number in range(draw(st.integers(1, max_size))):
        instant += draw(st.sampled_from(GAPS))
        happened.append(draw(_events(f"{number:02}", instant, contacts)))
    return happened


@st.composite
def _events(draw: st.DrawFn, name: str, instant: int, contacts: int) -> Json:
    kind = draw(st.sampled_from([*TYPES, *TYPES, *FEEDBACK_TYPES]))
    # ids sort differently from how they were numbered, so that ties are settled by the id alone
    event: Json = {
        "id": draw(st.sampled_from(["e", "é", "E", "z"])) + name,
        "contact_id": f"contact-{draw(st.integers(1, contacts))}",
        "type": kind,
        "occurred_at": instant,
    }
    properties: Json = {}
    if kind in FEEDBACK_TYPES:
        if draw(st.integers(0, 3)) == 0:
            properties["model"] = draw(st.sampled_from(["generated", "another"]))
        if draw(st.integers(0, 3)) == 0:
            properties["sequence"] = draw(st.sampled_from([0, 1, 2]))
    if draw(st.booleans()):
        properties["key"] = draw(st.sampled_from(ONCE_VALUES))
    if draw(st.integers(0, 3)) == 0:
        properties["n"] = draw(st.sampled_from([1, 2, 2.0, 3, "2", True]))
    if draw(st.integers(0, 3)) == 0:
        nested: list[Any] = [{"b": 1}, {"b": 2}, {"b": None}, 5, {}]
        properties["a"] = draw(st.sampled_from(nested))
    has_properties: bool = draw(st.booleans())
    if properties or has_properties:
        event["properties"] = properties
    if draw(st.integers(0, 4)) == 0:
        machine: bool = draw(st.booleans())
        event["machine"] = machine
    return event


@st.composite
def arrivals(draw: st.DrawFn, happened: Sequence[Json], *, window_ms: int | None = None) -> list[Json]:
    """
    *happened* as it arrives: out of order, repeated, some of it changed under an old id.

    With *window_ms* each event and each exact repeat arrives before anything newer by more than that, and ids keep
    their content: what arrival order must not change. Without, events come as late as they like.
    """
    delays = (*DELAYS_WITHIN, window_ms // 2, window_ms) if window_ms is not None else (*DELAYS_WITHIN, *DELAYS_BEYOND)
    waiting: list[tuple[int, int, Json]] = []
    for number, event in enumerate(happened):
        copies = [event] * draw(st.sampled_from([1, 1, 1, 2, 3] if window_ms is not None else [1, 1, 1, 1, 2]))
        for copy in copies:
            # all of one instant may come in any order
            due = event["occurred_at"] + draw(st.sampled_from(delays))
            if window_ms is not None:
                due = min(due, event["occurred_at"] + window_ms)
            waiting.append((due, draw(st.integers(0, 3)) * 1000 + number, copy))
    arrived = [event for _, _, event in sorted(waiting, key=lambda one: one[:2])]
    if window_ms is None and len(arrived) > 1 and draw(st.booleans()):
        first, second = draw(st.integers(0, len(arrived) - 1)), draw(st.integers(0, len(arrived) - 1))
        arrived[second] = arrived[second] | {
            "id": arrived[first]["id"],
            "contact_id": arrived[first]["contact_id"],
        }
    return arrived
