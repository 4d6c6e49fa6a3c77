"""
Histories that stand on an edge: each differs from its neighbour by one ms, one id or one value, and both readings must agree.

The search over generated histories finds such edges now and then; here each is met in every run.
"""

from __future__ import annotations

import json
from math import log2
from typing import Any

import pytest

from tests.support.engine import engine_replay
from tests.support.naive import naive_replay

Json = dict[str, Any]

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z, a Thursday."""
HALF = {"half_life": "1d"}
COUNTED = ("received", "effective", "duplicate", "without_effect", "late", "behind_timer")


def rule(kind: str = "act", points: float = 1, **more: Any) -> Json:
    """A rule for events of type *kind*."""
    return {"rule": f"{kind} {points} {len(more)}", "when": {"type": kind}, "points": points, **more}


def model(*rules: Json, **more: Any) -> Json:
    """A model of *rules*; scores may be below 0, and everything up to 3 d late is in the window."""
    return {"model": "edges", "version": 1, "score": {"floor": -1000}, "rules": list(rules or [rule()]), **more}


def event(name: str, at: int, kind: str = "act", **properties: Any) -> Json:
    """An event *at* ms after the start."""
    return {"id": name, "contact_id": "c", "type": kind, "occurred_at": START + at, "properties": properties}


def machine(name: str, at: int, kind: str = "act") -> Json:
    """The same, by a machine."""
    return event(name, at, kind) | {"machine": True}


def second_after(instant: float) -> int:
    """The first whole second after *instant* ms."""
    return (int(instant) // SECOND + 1) * SECOND


ONCE = model(rule(once_per="properties.key"))
LOST = model(feedback={"sales.lost": {"reset": ["engagement"]}})
TWO_HALVES = model(rule(points=8, decay=HALF), lateness="1d")
READY = {"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 50}}}
SALES = {"sales.rejected": {"latch": "open"}, "sales.recycled": {"latch": "open"}, "sales.won": {"latch": "closed"}}
FADING = model(rule(points=100, decay={"half_life": "7d"}), qualify=READY, feedback=SALES)
IDLE = [{"after": "10d", "every": "10d", "points": -30}]

SCORES: dict[str, tuple[Json, list[Json], int, float]] = {
    # what happens, under which model, read how many ms after the start: the score
    "of two at one instant the one with the smaller id comes first": (
        LOST,
        [event("b", 0, "sales.lost"), event("a", 0)],
        0,
        0.0,
    ),
    "of two at one instant the one with the larger id comes last": (
        LOST,
        [event("b", 0), event("a", 0, "sales.lost")],
        0,
        1.0,
    ),
    "an id at exactly the edge of the window is still known": (
        model(lateness="1d"),
        [event("older", 0), event("a", HOUR), event("b", DAY + HOUR), event("a", HOUR)],
        DAY + HOUR,
        3.0,
    ),
    "an id beyond the edge of the window is known no more": (
        model(lateness="1d"),
        [event("a", 0), event("b", DAY + 1), event("a", 0)],
        DAY + 1,
        3.0,
    ),
    "a late event is judged at the instant that the base has reached": (
        model(rule(limit={"times": 1, "within": "1d"}), rule("x", 0), lateness="1d"),
        [event("a", 0), event("b", 5 * DAY, "x"), event("c", 9 * DAY, "x"), event("late", HOUR)],
        9 * DAY,
        2.0,
    ),
    "an event at exactly the edge of the window is no late one": (
        model(rule(points=64, decay={"half_life": "1d"}), inactivity=[{"after": "2d", "points": -64}], lateness="1d"),
        [event("new", 3 * DAY), event("edge", 2 * DAY)],
        3 * DAY,
        96.0,
    ),
    "an event a ms beyond the edge of the window is no sign of life": (
        model(rule(points=0), rule("x", 50), inactivity=[{"after": "2d", "points": -50}], lateness="1d"),
        [event("x", 0, "x"), event("new", 3 * DAY + HOUR), event("late", 2 * DAY + HOUR - 1)],
        3 * DAY + HOUR,
        0.0,
    ),
    "a late event gives what is left of it by then": (
        TWO_HALVES,
        [event("a", 0), event("b", 2 * DAY), event("c", 4 * DAY), event("late", DAY)],
        4 * DAY,
        0.5 + 2 + 8 + 1,
    ),
    "a late event meets the limits of the base's instant": (
        model(rule(limit={"times": 1, "within": "1d"}), lateness="1d"),
        [event("a", 2 * DAY), event("b", 9 * DAY), event("late", 0), event("later", HOUR)],
        9 * DAY,
        2.0,
    ),
    "a late event is no sign of life": (
        model(rule(points=40), inactivity=IDLE, lateness="1d"),
        [event("a", 0), event("b", 22 * DAY), event("late", 5 * DAY)],
        22 * DAY,
        40 + 40 - 30 - 30 + 40,
    ),
    "a once-key gives one award": (ONCE, [event("a", 0, key="k"), event("b", 1, key="k")], 1, 1.0),
    "1 and 1.0 are one once-key": (ONCE, [event("a", 0, key=1), event("b", 1, key=1.0)], 1, 1.0),
    "true, 1, text and null are four once-keys": (
        ONCE,
        [event("a", 0, key=True), event("b", 1, key=1), event("c", 2, key="1"), event("d", 3), event("e", 4, key=None)],
        4,
        4.0,
    ),
    "whole numbers differ by their last digit": (
        ONCE,
        [event("a", 0, key=2**70), event("b", 1, key=2**70 + 1)],
        1,
        2.0,
    ),
    "the oldest event's award counts where the limit allows one": (
        model(rule(points=8, limit={"times": 1, "within": "1d"}, decay=HALF)),
        [event("b", HOUR), event("a", 0)],
        DAY,
        4.0,
    ),
    "a rolling limit refuses a ms before its length": (
        model(rule(limit={"times": 1, "within": "1d"})),
        [event("a", 0), event("b", DAY - 1)],
        DAY,
        1.0,
    ),
    "a rolling limit allows at exactly its length": (
        model(rule(limit={"times": 1, "within": "1d"})),
        [event("a", 0), event("b", DAY)],
        DAY,
        2.0,
    ),
    "a day begins at midnight in Kolkata": (
        model(rule(limit={"times": 1, "per": "day"}), time_zone="Asia/Kolkata"),
        [event("a", 18 * HOUR), event("b", 18 * HOUR + 30 * MINUTE)],
        DAY,
        2.0,
    ),
    "a word of sales is judged before its own reset": (
        model(rule("sales.lost", 5, once_per="contact"), feedback={"sales.lost": {"reset": ["engagement"]}}),
        [event("a", 0, "sales.lost"), event("b", 1, "sales.lost"), event("c", 2, "sales.lost")],
        2,
        5.0,
    ),
    "awards of one rule add up along its half-life": (
        TWO_HALVES,
        [event("a", 0), event("b", DAY), event("c", 2 * DAY)],
        3 * DAY,
        1 + 2 + 4,
    ),
    "a rule gives no more than its cap": (model(rule(points=30, cap=40)), [event("a", 0), event("b", 1)], 1, 40.0),
    "a penalty takes no more than its cap": (model(rule(points=-30, cap=40)), [event("a", 0), event("b", 1)], 1, -40.0),
    "a step repeats at each `every`": (
        model(rule(points=100), inactivity=IDLE),
        [event("a", 0)],
        30 * DAY,
        10.0,
    ),
    "a reset ends the repeats of the steps before it": (
        model(
            rule(points=100, group="other"),
            groups={"engagement": {}, "other": {}},
            inactivity=[
                {"after": "10d", "every": "10d", "points": -30, "group": "other"},
                {"after": "20d", "reset": ["engagement"]},
            ],
        ),
        [event("a", 0)],
        60 * DAY,
        40.0,
    ),
    "idleness takes no more than there is": (
        model(rule(points=10), rule("bad", -5, decay=HALF), inactivity=[{"after": "1d", "points": -30}]),
        [event("b", 0, "bad"), event("a", 0)],
        DAY,
        0.0,
    ),
    "idleness forgives no penalty": (
        model(rule(points=10), rule("bad", -4), inactivity=[{"after": "1d", "points": -3}]),
        [event("b", 0, "bad"), event("a", 0)],
        DAY,
        3.0,
    ),
    "a reset frees once-keys": (
        model(rule(points=10, once_per="contact"), inactivity=[{"after": "1d", "reset": ["engagement"]}]),
        [event("a", 0), event("b", DAY)],
        DAY,
        10.0,
    ),
    "a reset leaves limits": (
        model(rule(limit={"times": 1, "within": "7d"}), inactivity=[{"after": "1d", "reset": ["engagement"]}]),
        [event("a", 0), event("b", DAY)],
        DAY,
        0.0,
    ),
    "machines count only where a rule says so": (
        model(rule(points=1), rule(points=10, machine=True), rule(points=100, machine="any")),
        [event("a", 0), machine("b", 1)],
        1,
        1 + 100 + 10 + 100,
    ),
    "a machine is no sign of life": (
        model(rule(points=10), rule(points=0, machine=True), inactivity=[{"after": "1d", "reset": ["engagement"]}]),
        [event("a", 0), machine("b", HOUR)],
        DAY,
        0.0,
    ),
    "one id in the window counts once, whatever it says the second time": (
        model(rule(points=1), rule("other", 10)),
        [event("a", 0), event("a", HOUR, "other")],
        HOUR,
        1.0,
    ),
}

STORIES: dict[str, tuple[Json, list[Json], int, list[tuple[str, int, str, int]]]] = {
    # what sales is told: kind, sequence, cause, ms after the start
    "a lead cools at the first whole second below": (
        FADING,
        [event("a", 0)],
        30 * DAY,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "timer", 7 * DAY + SECOND)],
    ),
    "a lead cools at the step's own ms": (
        FADING | {"inactivity": [{"after": "1d", "points": -60}]},
        [event("a", 7)],
        30 * DAY,
        [("sales_ready", 1, "act", 7), ("cooled", 1, "timer", DAY + 7)],
    ),
    "a lead is told again only after rearm": (
        model(rule(points=100), rule("bad", -40), qualify=READY),
        [
            event("a", 0),
            event("b", 1, "bad"),
            event("c", 2),
            event("d", 3, "bad"),
            event("e", 4, "bad"),
            event("f", 5, "bad"),
            event("g", 6, "bad"),
            event("h", 7),
        ],
        7,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "bad", 5), ("sales_ready", 2, "act", 7)],
    ),
    "a penalty that fades makes nobody ready": (
        model(rule(points=110), rule("bad", -40, decay=HALF), rule("none", 0), qualify=READY),
        [event("b", 0, "bad"), event("a", 1), event("c", 5 * DAY, "sales.won"), event("d", 6 * DAY, "none")],
        9 * DAY,
        [("sales_ready", 1, "none", 6 * DAY)],
    ),
    "points for a word of sales make nobody ready": (
        model(rule("sales.accepted", 200), rule("none", 0), qualify=READY),
        [event("a", 0, "sales.accepted"), event("b", 1, "none")],
        1,
        [("sales_ready", 1, "none", 1)],
    ),
    "nobody is ready without any award": (
        model(rule(), qualify={"when": {"score": {"less_than": 5}}}, feedback={"sales.lost": {"points": 3}}),
        [event("a", 0, "sales.lost"), event("b", 1)],
        1,
        [("sales_ready", 1, "act", 1)],
    ),
    "a lead is told again at exactly `not_within`": (
        FADING | {"qualify": READY | {"not_within": "8d"}},
        [event("a", 0), event("b", 8 * DAY - 1), event("c", 8 * DAY)],
        8 * DAY,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "timer", 7 * DAY + SECOND), ("sales_ready", 2, "act", 8 * DAY)],
    ),
    "a cooled lead waits for sales where the model says recycle": (
        FADING | {"qualify": READY | {"again": "recycle"}},
        [event("a", 0), event("b", 8 * DAY), event("c", 9 * DAY, "sales.recycled"), event("d", 9 * DAY + 1)],
        9 * DAY + 1,
        [
            ("sales_ready", 1, "act", 0),
            ("cooled", 1, "timer", 7 * DAY + SECOND),
            ("sales_ready", 2, "act", 9 * DAY + 1),
        ],
    ),
    "a word of sales about an older round leaves the latch": (
        FADING,
        [event("a", 0), event("b", 8 * DAY), event("c", 8 * DAY + 1, "sales.rejected", sequence=1)],
        8 * DAY + 1,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "timer", 7 * DAY + SECOND), ("sales_ready", 2, "act", 8 * DAY)],
    ),
    "a word of sales about this round cools the lead": (
        FADING,
        [event("a", 0), event("b", 1, "sales.rejected", sequence=1, model="edges")],
        1,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "sales.rejected", 1)],
    ),
    "a word of sales meant for another model is not heard": (
        FADING,
        [event("a", 0), event("b", 1, "sales.rejected", model="another")],
        1,
        [("sales_ready", 1, "act", 0)],
    ),
    "a lead that gains points cools later": (
        FADING,
        [event("a", 0), event("b", 6 * DAY), event("c", 20 * DAY, "sales.lost")],
        20 * DAY,
        [
            ("sales_ready", 1, "act", 0),
            ("cooled", 1, "timer", second_after(6 * DAY + 7 * DAY * log2((100 * 2 ** (-6 / 7) + 100) / 50))),
        ],
    ),
    "a lead that loses points cools sooner": (
        model(rule(points=100, decay={"half_life": "7d"}), rule("bad", -20), qualify=READY),
        [event("a", 0), event("b", DAY, "bad"), event("c", 20 * DAY, "bad")],
        20 * DAY,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "timer", second_after(7 * DAY * log2(100 / 70)))],
    ),
    "an event that comes late shows that the contact was not idle": (
        model(
            rule(points=100),
            rule("small", 5),
            qualify={"when": {"score": {"at_least": 104}}},
            inactivity=[{"after": "10d", "points": -90}],
        ),
        [event("a", 0), event("b", 12 * DAY, "small"), event("c", 9 * DAY + HOUR, "small")],
        12 * DAY,
        [("sales_ready", 1, "small", 12 * DAY)],
    ),
    "an event within the lateness of the newest comes before the timers that it is older than": (
        FADING,
        [event("a", 0), event("z", 9 * DAY, "act") | {"contact_id": "d"}, event("b", 6 * DAY)],
        9 * DAY,
        [("sales_ready", 1, "act", 0)],
    ),
}


@pytest.mark.parametrize("case", SCORES)
def test_a_score_on_the_edge_is_what_the_rule_says(case: str) -> None:
    told, events, later, expected = SCORES[case]
    engine, naive = engine_replay(json.dumps(told), events, START + later), naive_replay(told, events, START + later)
    assert engine.rows[0]["score"] == pytest.approx(expected, abs=1e-9)
    assert [repr(row) for row in engine.rows] == [repr(row) for row in naive.rows]
    assert {what: engine.counts[what, ""] for what in COUNTED} == {what: naive.counts[what, ""] for what in COUNTED}


@pytest.mark.parametrize("case", STORIES)
def test_sales_is_told_what_the_rule_says_on_the_edge(case: str) -> None:
    told, events, later, expected = STORIES[case]
    engine, naive = engine_replay(json.dumps(told), events, START + later), naive_replay(told, events, START + later)
    assert engine.transitions == naive.transitions
    story = [one for one in engine.transitions if one["contact_id"] == "c"]
    story.sort(key=lambda one: (one["at"], one["sequence"], one["kind"] == "lead.cooled"))
    heard = [(one["kind"].removeprefix("lead."), one["sequence"], one["cause"], one["at"] - START) for one in story]
    assert heard == expected


@pytest.mark.parametrize(
    ("precision", "points", "shown"),
    [(0, 99.999, 99.0), (1, 99.999, 99.9), (1, -0.05, -0.1), (2, 0.29, 0.29), (3, 1.001, 1.001)],
)
def test_a_shown_score_has_really_been_reached(precision: int, points: float, shown: float) -> None:
    told = model(rule(points=points)) | {"score": {"floor": -10, "precision": precision}}
    assert engine_replay(json.dumps(told), [event("a", 0)]).rows[0]["shown"] == shown
    assert naive_replay(told, [event("a", 0)]).rows[0]["shown"] == shown


@pytest.mark.parametrize(("points", "tier"), [(24.999, "cold"), (25, "warm"), (50, "hot"), (-7, "cold")])
def test_a_tier_begins_at_its_threshold(points: float, tier: str) -> None:
    told = model(rule(points=points), tiers={"cold": 0, "warm": 25, "hot": 50})
    assert engine_replay(json.dumps(told), [event("a", 0)]).rows[0]["tier"] == tier
    assert naive_replay(told, [event("a", 0)]).rows[0]["tier"] == tier


def test_sums_follow_the_order_of_the_file_whichever_rule_awarded_first() -> None:
    """Doubles do not add up the same in every order; two orders of arrival must."""
    told = model(rule("x", 0.1), rule("y", 0.2), rule("z", 0.3), lateness="1d")
    days = [event("z", 0, "z"), event("y", 1, "y"), event("x", 2, "x")]
    assert engine_replay(json.dumps(told), days).rows[0]["score"] == (0.1 + 0.2) + 0.3
    assert naive_replay(told, days).rows[0]["score"] == (0.1 + 0.2) + 0.3
