"""
Histories that stand on an edge of attributes, points by hand, sales, erasure, decay and pools: one ms or one value beside another case.

What is expected is worked out by hand; the worker and the second reading must both say so.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.full_engine import FullReading, model_of, read_history
from tests.support.naive import NaiveReplay, naive_replay

Json = dict[str, Any]

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z, a Thursday: a midnight, and a border of every bucket."""


def rule(kind: str = "act", points: float = 1, **more: Any) -> Json:
    """A rule for events of type *kind*."""
    return {"rule": f"{kind} {points:g}", "when": {"type": kind}, "points": points, **more}


def model(*rules: Json, **more: Any) -> Json:
    """A model of *rules*; scores may be below 0."""
    return {"model": "edges", "version": 1, "score": {"floor": -1000}, "rules": list(rules or [rule()]), **more}


def event(name: str, at: int, kind: str = "act", /, **properties: Any) -> Json:
    """An event *at* ms after the start."""
    return {"id": name, "contact_id": "c", "type": kind, "occurred_at": START + at, "properties": properties}


def given(name: str, at: int, points: float, **more: Any) -> Json:
    """Points by hand; a number given as `expires_at` is in ms after the start."""
    if "expires_at" in more:
        more["expires_at"] += START
    return event(name, at, "score.adjusted", points=points, reason="call", **more)


def learnt(name: str, at: int, **attributes: Any) -> Json:
    """What is learnt of a contact."""
    return event(name, at, "contact.updated", **attributes)


def erased(name: str, at: int) -> Json:
    """The contact wants to be forgotten."""
    return event(name, at, "contact.erased")


def pool(points: float = 1, every: str = "1d", **more: Any) -> Json:
    """Groups of which one drains."""
    return {"pool": {"drain": {"points": points, "every": every}, **more}}


FOUNDER = {"rule": "founder", "when": {"attributes.title": "founder"}, "points": 20}
READY = {"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 50}}}
LONGEST = "x" * 1_022

SCORES: dict[str, tuple[Json, list[Json], int, float]] = {
    # what happens, under which model, read how many ms after the start: the score
    "points by hand hold until a ms before they expire": (model(), [given("a", 0, 30, expires_at=DAY)], DAY - 1, 30.0),
    "points by hand are gone at the instant at which they expire": (model(), [given("a", 0, 30, expires_at=DAY)], DAY, 0.0),
    "points by hand that expire when they are given are none": (model(), [given("a", 7, 30, expires_at=7)], 7, 0.0),
    "points by hand to an unknown group are none": (model(), [given("a", 0, 30, group="nobody")], 0, 0.0),
    "points by hand that come late keep their own expiry": (
        model(rule(points=0), lateness="1d"),
        [event("x", 2 * DAY), event("y", 9 * DAY), given("a", 0, 30, expires_at=DAY), given("b", 0, 4, expires_at=10 * DAY)],
        9 * DAY,
        4.0,
    ),
    "the 65th points with an expiry push out those that expire first": (
        model(),
        [given(f"{number:02}", number, 1 if number else 1000, expires_at=DAY + number) for number in range(65)],
        HOUR,
        64.0,
    ),
    "of equal expiries the points given first go": (
        model(),
        [given(f"{number:02}", number, number + 1, expires_at=DAY) for number in range(65)],
        HOUR,
        65 * 66 / 2 - 1,
    ),
    "a pool does not look at an expiry": (
        model(groups=pool()),
        [given("a", 0, 30, group="pool", expires_at=0)],
        DAY,
        29.0,
    ),
    "a pool drains at midnight, not a ms before": (model(rule(points=3, group="pool"), groups=pool()), [event("a", 1)], DAY - 1, 3.0),
    "a pool drains at midnight": (model(rule(points=3, group="pool"), groups=pool()), [event("a", 1)], DAY, 2.0),
    "a pool given to at midnight has drained before": (
        model(rule(points=3, group="pool"), groups=pool()),
        [event("a", 0), event("b", 2 * DAY)],
        2 * DAY,
        4.0,
    ),
    "a pool below 0 drains up to 0": (model(rule(points=-3, group="pool"), groups=pool(2)), [event("a", 0)], DAY, -1.0),
    "a pool drains to 0 and no further": (model(rule(points=3, group="pool"), groups=pool(2)), [event("a", 0)], 9 * DAY, 0.0),
    "a late award joins the pool whole, at the instant of the base": (
        model(rule(points=3, group="pool"), rule("x", 0), groups=pool(), lateness="1d"),
        [event("x", 4 * DAY, "x"), event("y", 9 * DAY, "x"), event("late", 0)],
        9 * DAY,
        0.0,
    ),
    "a percentage goes at midnight": (
        model(rule(points=100, decay={"percent": {"rate": "2%", "every": "1d"}})), [event("a", 1)], DAY, 98.0,
    ),
    "a percentage does not go a ms before": (
        model(rule(points=100, decay={"percent": {"rate": 0.02, "every": "1d"}})), [event("a", 1)], DAY - 1, 100.0,
    ),
    "an award at midnight is not touched by that midnight": (
        model(rule(points=100, decay={"percent": {"rate": 0.5, "every": "1d"}})), [event("a", DAY)], DAY, 100.0,
    ),
    "points expire at the border of their bucket": (
        model(rule(points=10, decay={"expire": "1d"})), [event("a", 29 * MINUTE)], DAY, 0.0,
    ),
    "points hold until a ms before that border": (
        model(rule(points=10, decay={"expire": "1d"})), [event("a", 29 * MINUTE)], DAY - 1, 10.0,
    ),
    "points of the next bucket last longer": (
        model(rule(points=10, decay={"expire": "1d"})), [event("a", 30 * MINUTE)], DAY, 10.0,
    ),
    "points that go evenly have lost their share at the border": (
        model(rule(points=48, decay={"linear": "1d"})), [event("a", 1)], 30 * MINUTE, 47.0,
    ),
    "an attribute counts as long as it holds": (model(FOUNDER), [learnt("a", 0, title="Founder"), learnt("b", 1, title="cook")], 1, 0.0),
    "of two values of one instant the larger id wins": (
        model(FOUNDER), [learnt("b", 0, title="founder"), learnt("a", 0, title="cook")], 0, 20.0,
    ),
    "an older value that arrives later loses": (
        model(FOUNDER), [learnt("b", HOUR, title="founder"), learnt("a", 0, title="cook")], HOUR, 20.0,
    ),
    "an older value that arrives late does not bring a removed one back": (
        model(FOUNDER, lateness="1d"),
        [learnt("b", DAY, title=None), learnt("c", DAY + HOUR), learnt("a", 0, title="founder")],
        DAY + HOUR,
        0.0,
    ),
    "a late value sets what was removed long ago": (
        model(FOUNDER, rule(), lateness="1d"),
        [learnt("b", DAY, title=None), event("x", 9 * DAY), learnt("a", 0, title="founder")],
        9 * DAY,
        21.0,
    ),
    "the longest value is kept": (
        model({"rule": "note", "when": {"attributes.note": {"exists": True}}, "points": 5}), [learnt("a", 0, note=LONGEST)], 0, 5.0,
    ),
    "a longer value takes the old one away": (
        model({"rule": "note", "when": {"attributes.note": {"exists": True}}, "points": 5}),
        [learnt("a", 0, note="short"), learnt("b", 1, note=LONGEST + "x")],
        1,
        0.0,
    ),
    "a rule is tested with what its own event says": (
        model({"rule": "now", "when": {"type": "contact.updated", "attributes.title": "founder"}, "points": 7}),
        [learnt("a", 0, title="founder")],
        0,
        7.0,
    ),
    "a rule is tested with what was known at its own instant": (
        model({"rule": "now", "when": {"type": "act", "attributes.title": "founder"}, "points": 7}),
        [event("b", HOUR), learnt("c", 2 * HOUR, title="founder"), learnt("a", 0, title="cook"), event("d", 3 * HOUR)],
        3 * HOUR,
        7.0,
    ),
    "a rule that resets drops what was there before its own points": (
        model(rule(points=40), rule("stop", 5, reset=["engagement"])), [event("a", 0), event("b", 1, "stop")], 1, 5.0,
    ),
    "a rule that its limit refuses resets nothing": (
        model(rule(points=40), rule("stop", 5, reset=["engagement"], once_per="contact", group="other"), groups={"other": {}}),
        [event("b", 0, "stop"), event("a", 1), event("c", 2, "stop")],
        2,
        45.0,
    ),
    "an erasure forgets events of its own instant": (model(), [event("a", 0), event("b", 5), erased("c", 5), event("d", 6)], 6, 1.0),
    "an event as old as the erasure has no effect": (model(), [event("a", 0), erased("c", 5), event("d", 6), event("b", 5)], 6, 1.0),
    "an erasure that comes late takes the base with it": (
        model(lateness="1d"),
        [event("a", 0), event("b", HOUR), event("x", DAY + HOUR), erased("c", 0), event("d", DAY + 2 * HOUR)],
        DAY + 2 * HOUR,
        3.0,
    ),
    "an erasure that comes after the window takes the whole base": (
        model(lateness="1d"),
        [event("a", 0), event("b", HOUR), event("x", DAY + HOUR + 1), erased("c", 0), event("d", DAY + 2 * HOUR)],
        DAY + 2 * HOUR,
        2.0,
    ),
    "what is idle is counted anew after an erasure": (
        model(rule(points=40), inactivity=[{"after": "2d", "points": -10}]),
        [event("a", 0), event("b", DAY), erased("c", DAY), event("d", 2 * DAY)],
        3 * DAY,
        40.0,
    ),
}  # fmt: skip

STORIES: dict[str, tuple[Json, list[Json], int, list[tuple[str, int, str, int]]]] = {
    # what sales is told: kind, sequence, cause, ms after the start
    "a lead cools when points by hand expire, at their own ms": (
        model(qualify=READY),
        [given("a", 0, 100, expires_at=DAY + 7)],
        2 * DAY,
        [("sales_ready", 1, "score.adjusted", 0), ("cooled", 1, "timer", DAY + 7)],
    ),
    "a lead cools when an award leaves what was seen, at its own ms": (
        model(qualify={"when": {"seen": {"rule": "act 1", "times": 2, "within": "1d"}}}),
        [event("a", 3), event("b", HOUR)],
        2 * DAY,
        [("sales_ready", 1, "act", HOUR), ("cooled", 1, "timer", DAY + 3)],
    ),
    "a lead cools at the midnight at which its pool has drained enough": (
        model(rule(points=100, group="pool"), groups=pool(30), qualify=READY),
        [event("a", 1)],
        9 * DAY,
        [("sales_ready", 1, "act", 1), ("cooled", 1, "timer", 2 * DAY)],
    ),
    "a lead cools at the border of the bucket at which its points expire": (
        model(rule(points=100, decay={"expire": "7d"}), qualify=READY),
        [event("a", 3 * HOUR)],
        9 * DAY,
        [("sales_ready", 1, "act", 3 * HOUR), ("cooled", 1, "timer", 7 * DAY + 2 * HOUR)],
    ),
    "a lead cools at the step of its percentage": (
        model(rule(points=100, decay={"percent": {"rate": "50%", "every": "7d"}}), qualify={"when": {"score": {"at_least": 51}}}),
        [event("a", 0)],
        9 * DAY,
        # the first Monday after a Thursday
        [("sales_ready", 1, "act", 0), ("cooled", 1, "timer", 4 * DAY)],
    ),
    "a lead cools where points above and below 0 go one after the other, though their sum is soon as it was": (
        model(
            rule("base", 100),
            rule("good", 30, decay={"expire": "7d"}),
            rule("bad", -30, decay={"expire": "7d"}),
            qualify={"when": {"score": {"at_least": 100}}},
        ),
        [event("a", 0, "base"), event("b", 0, "good"), event("c", DAY, "bad")],
        9 * DAY,
        [("sales_ready", 1, "base", 0), ("cooled", 1, "timer", 7 * DAY)],
    ),
    "what is learnt makes a lead ready": (
        model(FOUNDER, rule(points=80), qualify=READY),
        [event("a", 0), learnt("b", 1, title="founder")],
        1,
        [("sales_ready", 1, "contact.updated", 1)],
    ),
    "a lead without required data is held until it comes": (
        model(rule(points=100), qualify=READY | {"require": ["attributes.email"]}),
        [event("a", 0), learnt("b", 1, email=""), learnt("c", 2, email="a@b")],
        2,
        [("sales_ready", 1, "contact.updated", 2)],
    ),
    "a lead that is excluded is not told, and a ready one stays": (
        model(rule(points=100), qualify=READY | {"exclude": {"attributes.kind": "friend"}}),
        [learnt("a", 0, kind="friend"), event("b", 1), learnt("c", 2, kind="other"), learnt("d", 3, kind="friend")],
        3,
        [("sales_ready", 1, "contact.updated", 2)],
    ),
    "what is learnt wakes no resting lead": (
        model(rule(points=100), qualify=READY, feedback={"sales.rejected": {"latch": "open"}}),
        [event("a", 0), event("b", 1, "sales.rejected"), learnt("c", 2, title="x"), event("d", 3)],
        3,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "sales.rejected", 1), ("sales_ready", 2, "act", 3)],
    ),
    "points by hand below 0 cool a lead, and invite nobody": (
        model(rule(points=100), qualify=READY),
        [event("a", 0), given("b", 1, -60), given("c", 2, 70), given("d", 3, -1)],
        3,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "score.adjusted", 1), ("sales_ready", 2, "score.adjusted", 2)],
    ),
    "an event that only sounds like one of sales invites nobody": (
        model(rule("sales.called", 100), rule(points=0), qualify=READY),
        [event("a", 0, "sales.called"), event("b", 1)],
        1,
        [("sales_ready", 1, "act", 1)],
    ),
    "an erasure cools a ready lead, and its story begins anew": (
        model(rule(points=100), qualify=READY),
        [event("a", 0), erased("b", 1), event("c", 2)],
        2,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "contact.erased", 1), ("sales_ready", 1, "act", 2)],
    ),
    "a rule that resets cools a lead": (
        model(rule(points=100), {"rule": "stop", "when": {"type": "stop"}, "reset": ["engagement"]}, qualify=READY),
        [event("a", 0), event("b", 1, "stop"), event("c", 2)],
        2,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "stop", 1), ("sales_ready", 2, "act", 2)],
    ),
    "a rule that only resets invites nobody": (
        model(
            rule("sales.called", 100),
            {"rule": "stop", "when": {"type": "stop"}, "reset": ["other"]},
            groups={"other": {}},
            qualify=READY,
        ),
        [event("a", 0, "sales.called"), event("b", 1, "stop")],
        1,
        [],
    ),
    "a change of tier is told when time does it": (
        model(rule(points=30, decay={"expire": "7d"}), tiers={"cold": 0, "warm": 25}),
        [event("a", 0)],
        9 * DAY,
        [("tier_changed", 1, "act", 0), ("tier_changed", 2, "timer", 7 * DAY)],
    ),
}  # fmt: skip


def _both(told: Json, events: list[Json], later: int) -> tuple[FullReading, NaiveReplay]:
    engine = read_history(model_of(told), events, [START + later], publish_tiers=True)
    return engine, naive_replay(told, events, START + later, publish_tiers=True)


@pytest.mark.parametrize("case", SCORES)
def test_a_score_on_the_edge_is_what_the_rule_says(case: str) -> None:
    told, events, later, expected = SCORES[case]
    engine, naive = _both(told, events, later)
    assert engine.rows[0][0]["score"] == pytest.approx(expected, abs=1e-9)
    assert [repr(row) for row in engine.rows[0]] == [repr(row) for row in naive.rows]


@pytest.mark.parametrize("case", STORIES)
def test_sales_is_told_what_the_rule_says_on_the_edge(case: str) -> None:
    told, events, later, expected = STORIES[case]
    engine, naive = _both(told, events, later)
    for story in (engine.told, naive.transitions):
        in_order = sorted(
            story, key=lambda one: (one["epoch"], one["at"], one["sequence"], one["kind"] == "lead.cooled")
        )
        heard = [
            (one["kind"].removeprefix("lead."), one["sequence"], one["cause"], one["at"] - START) for one in in_order
        ]
        assert heard == expected


def test_a_window_of_attributes_is_as_large_as_64_kib() -> None:
    """A contact of which very much is learnt must not grow without bound."""
    names = [f"a{number}" for number in range(64)]
    told = model({"rule": "all", "when": {f"attributes.{name}": {"exists": True} for name in names}, "points": 1})
    everything = dict.fromkeys(names, LONGEST)
    for more in ({}, {"a0": LONGEST}):
        engine, naive = _both(told, [learnt("a", 0, **everything), learnt("b", 1, **more), learnt("c", 0, a0=None)], 1)
        assert engine.counts["overflowed"] == naive.counts["overflowed", ""] == 1
        assert [repr(row) for row in engine.rows[0]] == [repr(row) for row in naive.rows]
