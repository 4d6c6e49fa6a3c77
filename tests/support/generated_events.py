"""Generated events of every kind: what contacts and machines do, what is learnt of them, what people give, what sales answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.support.choices import Choices
from tests.support.generated_attributes import LONGEST, attributes
from tests.support.generated_rules import FEEDBACK_TYPES, TYPES
from tests.support.lattice import DAY, DELAYS_BEYOND, DELAYS_WITHIN, HOUR, START, moved, next_border

Json = dict[str, Any]

ONCE_VALUES: tuple[Any, ...] = (
    1, 1.0, "1", True, None, 0, False, -0.0, "", "A", "a", 2**53, 2**53 + 1, float(2**53), 2**70, 2**70 + 1,
    0.1, 1e22, 10**22, [1], [1.0], [True], {"a": 1}, {"a": 1, "b": None}, {"b": None, "a": 1.0},
)  # fmt: skip
_KINDS = (
    *["page.viewed"] * 9, *["form.submitted"] * 6, *["email.opened"] * 3, *["email.bounced"] * 4, *TYPES,
    *FEEDBACK_TYPES, *FEEDBACK_TYPES[1:], *["contact.updated"] * 7, *["score.adjusted"] * 6, "contact.erased",
    "noise.made", "sales.called", "email.delivered",
)  # fmt: skip
_BYTES_OF_AN_EVENT = 20
_NESTED: tuple[Any, ...] = ({"b": 1}, {"b": 2}, {"b": None}, 5, {})
_EXPIRIES = (HOUR, DAY, 3 * DAY, 30 * DAY, 1, 0, -1, -DAY, 400 * DAY)


@st.composite
def full_happenings(draw: st.DrawFn, *, max_size: int = 20) -> list[Json]:
    """Events in the order of their instants, few or many; ids are distinct."""
    return happened_from([Choices(one) for one in draw(_of_events(max_size))])


@cache
def _of_events(most: int) -> st.SearchStrategy[list[bytes]]:
    own = st.binary(min_size=_BYTES_OF_AN_EVENT, max_size=_BYTES_OF_AN_EVENT)
    return st.one_of(st.lists(own, min_size=1, max_size=min(8, most)), st.lists(own, min_size=most // 2, max_size=most))


def happened_from(of_events: Sequence[Choices]) -> list[Json]:
    """Return the events that these choices make."""
    instant, happened = START, []
    for number, choices in enumerate(of_events):
        instant = moved(instant, choices)
        happened.append(_event(choices, number, instant))
    return happened


def _event(choices: Choices, number: int, instant: int) -> Json:
    kind = choices.one(_KINDS)
    event: Json = {
        # ids sort differently from how they were numbered, so that ties are settled by the id alone
        "id": choices.one(("e{:02}", "é{:02}", "E{:02}", "z{:02}", "0195e6e8-0000-7000-8000-0000000000{:02}")).format(
            number
        ),
        "contact_id": choices.one(("contact-1", "contact-1", "contact-1", "contact-2")),
        "type": kind,
        "occurred_at": instant,
    }
    if choices.chance(6):
        event["machine"] = choices.one((True, True, False))
    if choices.chance(5):
        event["source"] = choices.one(("web", "Web", None))
    properties = _properties(choices, kind, instant)
    if properties or choices.chance(2):
        event["properties"] = properties
    return event


def _properties(choices: Choices, kind: str, instant: int) -> Json:
    if kind == "contact.updated":
        return attributes(choices)
    if kind == "score.adjusted":
        return _adjustment(choices, instant)
    properties: Json = {}
    if kind in FEEDBACK_TYPES:
        if choices.chance(4):
            properties["model"] = choices.one(("generated", "another", None))
        if choices.chance(4):
            properties["sequence"] = choices.one((0, 1, 2, None))
    if choices.chance(2):
        properties["key"] = choices.one(ONCE_VALUES)
    if choices.chance(4):
        properties["n"] = choices.one((1, 2, 2.0, 3, "2", True))
    if choices.chance(4):
        properties["a"] = choices.one(_NESTED)
    if choices.chance(12):
        properties["title"] = choices.one(("founder", LONGEST + "x"))
    return properties


def _adjustment(choices: Choices, instant: int) -> Json:
    given: Json = {
        "points": choices.one((30, 5, 100, 0, -20, -60, -0.25, 12.5, 60, 0.001, -100, -1_000_000)),
        "reason": "call",
    }
    if choices.chance(2):
        given["group"] = choices.one(("basics", "pool", "fit", "engagement", "unknown", None))
    if choices.chance(2):
        expires_at = next_border(instant, DAY) if choices.chance(4) else instant + choices.one(_EXPIRIES)
        given["expires_at"] = written(expires_at) if choices.chance(3) else expires_at
    return given


def written(instant: int) -> str:
    """
    Return *instant*, in ms, as RFC 3339 in a zone that few live in, with digits below the ms.

    >>> written(1_000_000_000_001)
    '2001-09-09T07:16:40.001900+05:30'
    """
    zone = timezone(timedelta(hours=5, minutes=30))
    return (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant, microseconds=900))
        .astimezone(zone)
        .isoformat()
    )


def delivered(happened: Sequence[Json], choices: Choices, window_ms: int | None = None) -> list[Json]:
    """
    Return *happened* as it arrives: out of order, repeated, some of it changed under an old id.

    With *window_ms* each event and each exact repeat arrives before anything newer by more than that, and ids keep
    their content: what arrival order must not change. Without, events come as late as they like.
    """
    delays = (*DELAYS_WITHIN, *DELAYS_BEYOND) if window_ms is None else (*DELAYS_WITHIN, window_ms // 2, window_ms)
    waiting: list[tuple[int, int, Json]] = []
    for number, event in enumerate(happened):
        copies = choices.one((1, 1, 1, 1, 2)) if window_ms is None else choices.one((1, 1, 1, 2, 3))
        for _ in range(copies):
            delay = choices.one(delays)
            if window_ms is not None:
                delay = min(delay, window_ms)
            # all of one instant may come in any order
            waiting.append((event["occurred_at"] + delay, choices.below(4) * 1_000 + number, event))
    arrived = [event for _, _, event in sorted(waiting, key=lambda one: one[:2])]
    if window_ms is None and choices.chance(3):
        first, second = choices.below(len(arrived)), choices.below(len(arrived))
        arrived[second] = arrived[second] | {"id": arrived[first]["id"], "contact_id": arrived[first]["contact_id"]}
    return arrived
