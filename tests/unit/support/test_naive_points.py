"""The slow reading of what points come to, held to sums that need no more than a pencil; day 0 is a Thursday in 2026."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.naive import naive_replay

Json = dict[str, Any]
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z; the Monday after it is day 4."""


def rule(points: float | None = None, kind: str = "act", **parts: Any) -> Json:
    """A rule for events of *kind*."""
    return {"when": {"type": kind}, **({} if points is None else {"points": points}), **parts}


def fit(points: float, **when: Any) -> Json:
    """A rule that asks for top-level attributes only."""
    return {"when": {f"attributes.{name}": test for name, test in when.items()}, "points": points}


def model(*rules: Json, **parts: Any) -> Json:
    """A model without a floor of the score, so that nothing below 0 is hidden."""
    named = [{"rule": f"rule {number}", **one} for number, one in enumerate(rules)]
    return {"model": "m", "version": 1, "rules": named, "score": {"floor": -10_000}, **parts}


def event(at: float, kind: str = "act", name: str = "", /, **properties: Any) -> Json:
    """An event of contact `c` *at* ms after the start; its id says when unless there is a *name*."""
    instant = START + int(at)
    identity = name or f"{kind} {instant}"
    return {"id": identity, "contact_id": "c", "type": kind, "occurred_at": instant, "properties": properties}


def known(at: float, name: str = "", /, **attributes: Any) -> Json:
    """What becomes known of the contact *at* ms after the start."""
    return event(at, "contact.updated", name, **attributes)


def adjusted(at: float, points: float, **properties: Any) -> Json:
    """Points given by hand *at* ms after the start."""
    return event(at, "score.adjusted", points=points, reason="call", **properties)


def score(told: Json, events: list[Json], later: float) -> float:
    """The score *later* ms after the start."""
    (row,) = naive_replay(told, events, START + int(later)).rows
    found: float = row["score"]
    return found


TWO_PERCENT = model(rule(100, decay={"percent": {"rate": "2%", "every": "1d"}}))
WEEKLY_HALF = model(rule(100, decay={"percent": {"rate": 0.5, "every": "1w"}}))
LINEAR = model(rule(9, decay={"linear": "90d"}))
LINEAR_DAY = model(rule(48, decay={"linear": "1d"}))
EXPIRE = model(rule(10, decay={"expire": "180d"}))
EXPIRE_SOON = model(rule(10, decay={"expire": "5m"}))
POOL = model(
    rule(3, group="basics"),
    rule(-3, "bad", group="basics"),
    groups={"basics": {"drain": {"points": 1, "every": "1d"}, "cap": 5}},
)
FOUNDER = model(
    rule(30),
    rule(None, "lost", reset=["engagement"]),
    fit(20, title=["founder", "owner", "ceo"]),
    inactivity=[{"after": "10d", "points": -50}],
)
RESETTING = model(
    rule(10),
    rule(5, "sign", reset=["engagement"], once_per="properties.key"),
    rule(None, "unsubscribed", reset=["engagement"]),
)
HELD_BACK = model(rule(10), inactivity=[{"after": "1d", "points": -20}, {"after": "2d", "multiply": 0.5}])

SCORES: dict[str, tuple[Json, list[Json], float, float]] = {
    # percent: one step at each midnight
    "two percent a day, a ms before midnight": (TWO_PERCENT, [event(10 * HOUR)], DAY - 1, 100.0),
    "two percent a day, one midnight": (TWO_PERCENT, [event(10 * HOUR)], DAY, 98.0),
    "two percent a day, 30 midnights": (TWO_PERCENT, [event(10 * HOUR)], 30 * DAY, 54.5484),
    "two percent a day, 35 midnights": (TWO_PERCENT, [event(10 * HOUR)], 35 * DAY, 49.3074),
    # 100 are 98 when 100 join them: 198 * 0.98
    "two percent a day of two awards": (TWO_PERCENT, [event(10 * HOUR), event(DAY + 1)], 2 * DAY, 194.04),
    # given a step before what is there: 98 and 96.04 at day 2, after which both have lost two percent more
    "two percent a day of an award that came late": (
        TWO_PERCENT | {"lateness": "1h"},
        [event(DAY), event(3 * DAY), event(0)],
        3 * DAY,
        100 + 100 * 0.98**2 + 100 * 0.98**3,
    ),
    "weeks begin on Mondays": (WEEKLY_HALF, [event(0)], 4 * DAY - 1, 100.0),
    "a Monday is a step": (WEEKLY_HALF, [event(0)], 4 * DAY, 50.0),
    "an award at the very step has missed it": (WEEKLY_HALF, [event(4 * DAY)], 4 * DAY, 100.0),
    # lots: 90 days move by whole days, a day by half hours
    "linear, three midnights later": (LINEAR, [event(13 * HOUR)], 3 * DAY, 8.7),
    "linear, the same day": (LINEAR, [event(13 * HOUR)], DAY - 1, 9.0),
    "linear, at the end": (LINEAR, [event(13 * HOUR)], 90 * DAY, 0.0),
    "linear over a day, half an hour by the bucket": (LINEAR_DAY, [event(29 * MINUTE)], 59 * MINUTE, 47.0),
    "linear over a day, a minute by the clock": (LINEAR_DAY, [event(29 * MINUTE)], 30 * MINUTE, 47.0),
    "linear over a day, half of it": (LINEAR_DAY, [event(29 * MINUTE)], 12 * HOUR, 24.0),
    "the window slides over midnight, before": (EXPIRE, [event(13 * HOUR)], 180 * DAY - 1, 10.0),
    "the window slides over midnight, after": (EXPIRE, [event(13 * HOUR)], 180 * DAY, 0.0),
    "five minutes move by minutes, before": (EXPIRE_SOON, [event(59 * SECOND)], 5 * MINUTE - 1, 10.0),
    "five minutes move by minutes, after": (EXPIRE_SOON, [event(59 * SECOND)], 5 * MINUTE, 0.0),
    "lots go one by one": (EXPIRE, [event(0), event(DAY)], 180 * DAY, 10.0),
    # pools
    "a pool after two midnights": (POOL, [event(10 * HOUR)], 2 * DAY, 1.0),
    "a pool after five midnights": (POOL, [event(10 * HOUR)], 5 * DAY, 0.0),
    "a pool below 0 after two midnights": (POOL, [event(10 * HOUR, "bad")], 2 * DAY, -1.0),
    "a pool below 0 after five midnights": (POOL, [event(10 * HOUR, "bad")], 5 * DAY, 0.0),
    "a pool that was empty for a while starts with what it is given": (POOL, [event(0), event(9 * DAY)], 10 * DAY, 2.0),
    "a pool holds more than its cap shows": (POOL, [event(0), event(1), event(2)], 3 * DAY, 5.0),
    # 9 lose 4: what the cap had hidden comes back
    "a pool reopens under its cap": (POOL, [event(0), event(1), event(2)], 5 * DAY, 4.0),
    "a pool takes what is given by hand, for good": (
        POOL,
        [adjusted(0, 4, group="basics", expires_at=START + DAY)],
        2 * DAY,
        2.0,
    ),
    # fit
    "a founder": (FOUNDER, [known(0, title="Founder")], 0, 20.0),
    "a founder who acted": (FOUNDER, [known(0, title="Founder"), event(1)], 1, 50.0),
    "a founder no more": (FOUNDER, [known(0, title="Founder"), event(1), known(2, title=None)], 2, 30.0),
    "idleness leaves fit alone": (FOUNDER, [known(0, title="ceo"), event(1)], 10 * DAY + 1, 20.0),
    "a reset leaves fit alone": (FOUNDER, [known(0, title="ceo"), event(1), event(2, "lost")], 2, 20.0),
    "a group's cap holds for fit": (
        model(*(fit(points, a=1) for points in (35, 15, 20, 5, 10)), groups={"engagement": {"cap": 70}}),
        [known(0, a=1)],
        0,
        70.0,
    ),
    # attributes
    "the later word counts, whichever came first": (FOUNDER, [known(1, title="ceo"), known(0, title="clerk")], 1, 20.0),
    "of two words at one instant the larger id counts": (
        FOUNDER,
        [known(0, "b", title="ceo"), known(0, "a", title="clerk")],
        0,
        20.0,
    ),
    "a rule may ask for what its own event makes known": (
        model({"when": {"type": "contact.updated", "attributes.plan": "pro"}, "points": 7}),
        [known(0, plan="Pro"), known(1, plan="free")],
        1,
        7.0,
    ),
    "a rule asks for what was known then": (
        model({"when": {"type": "act", "any": [{"attributes.plan": "pro"}, {"properties.n": 3}]}, "points": 7}),
        [event(0), known(1, plan="pro"), event(2), known(3, plan=None), event(4), event(5, n=3)],
        5,
        14.0,
    ),
    "a path leads into an attribute": (
        model({"when": {"attributes.firm.size": {"at_least": 50}}, "points": 4}),
        [known(0, firm={"size": 50})],
        0,
        4.0,
    ),
    "a value of 1,024 bytes is kept": (model(fit(3, bio={"exists": True})), [known(0, bio="é" * 511)], 0, 3.0),
    "a value of 1,025 bytes is as good as none": (
        model(fit(3, bio={"exists": True}), rule(0)),
        [event(0), known(1, bio="."), known(2, bio="é" * 511 + "e")],
        2,
        0.0,
    ),
    # a late word loses to the later one, unless that removed the key and the window has gone on
    "a late word loses to a later one": (
        FOUNDER | {"lateness": "1d", "inactivity": []},
        [known(0, title="a"), known(2 * DAY, title="clerk"), event(9 * DAY), known(DAY, title="ceo")],
        9 * DAY,
        30.0,
    ),
    "a late word fills what was removed long ago": (
        FOUNDER | {"lateness": "1d", "inactivity": []},
        [known(0, title="a"), known(2 * DAY, title=None), event(9 * DAY), known(DAY, title="ceo")],
        9 * DAY,
        50.0,
    ),
    # points given by hand
    "points by hand": (HELD_BACK, [adjusted(0, 12.5)], DAY, 12.5),
    "points by hand, a ms before they expire": (HELD_BACK, [adjusted(0, 7, expires_at=START + 5)], 4, 7.0),
    "points by hand, expired": (HELD_BACK, [adjusted(0, 7, expires_at=START + 5)], 5, 0.0),
    # 10 + 30 - 20, halved a day later: what idleness took is taken from the points by hand as well
    "idleness takes from points by hand too": (HELD_BACK, [adjusted(0, 30), event(0)], 2 * DAY, 10.0),
    # 40 lose 20 and are 20, of which half is in the points that expire: 15 * 0.5 stay
    "what expires has faded with the rest": (
        HELD_BACK,
        [adjusted(0, 30, expires_at=START + 3 * DAY), event(0)],
        3 * DAY,
        2.5,
    ),
    "a reset drops points by hand": (RESETTING, [adjusted(0, 30), event(1, "unsubscribed")], 1, 0.0),
    # resets
    "a rule that only resets": (RESETTING, [event(0), event(1, "unsubscribed"), event(2)], 2, 10.0),
    "all resets come before all points": (RESETTING, [event(0), event(1, "sign", key=1)], 1, 5.0),
    # its own reset frees the once-key, and the award takes it again
    "a refused occurrence resets nothing": (
        RESETTING,
        [event(0, "sign", key=1), event(1), event(2, "sign", key=1)],
        2,
        15.0,
    ),
    "idleness empties a pool by what it takes": (
        POOL | {"inactivity": [{"after": "36h", "points": -2, "group": "basics"}]},
        [event(0), event(1)],
        36 * HOUR + 1,
        3.0,
    ),
    "idleness halves what the pool holds by then": (
        POOL | {"inactivity": [{"after": "36h", "multiply": 0.5, "group": "basics"}]},
        [event(0), event(1)],
        2 * DAY,
        1.5,
    ),
    "a step pours into a pool": (
        POOL | {"inactivity": [{"after": "36h", "points": 2, "group": "basics"}]},
        [event(0)],
        2 * DAY,
        3.0,
    ),
    "a word of sales pours into a pool": (
        POOL | {"feedback": {"sales.rejected": {"points": -4, "group": "basics"}}},
        [event(0), event(DAY, "sales.rejected")],
        2 * DAY,
        -1.0,
    ),
    # 20 and 20 capped at 25, of which 15 are taken: (40 - 15) / 40 of 40 are 25, and the cap hides nothing any more
    "idleness takes before caps": (
        model(rule(20, cap=25), inactivity=[{"after": "1d", "points": -15}]),
        [event(0), event(0, "act", "again")],
        DAY,
        25.0,
    ),
}


@pytest.mark.parametrize("case", SCORES)
def test_points_come_to_what_a_pencil_says(case: str) -> None:
    told, events, later, expected = SCORES[case]
    assert score(told, events, later) == pytest.approx(expected, abs=1e-4 if "midnights" in case else 1e-9)


def test_an_emptied_pool_has_no_sign() -> None:
    """A report that says -0.0 makes people ask."""
    (row,) = naive_replay(POOL, [event(0, "bad")], START + 5 * DAY).rows
    assert repr(row["groups"]["basics"]) == "0.0"


@pytest.mark.parametrize(
    ("told", "events"),
    [
        (FOUNDER, [known(0, title="clerk")]),
        (FOUNDER, [event(0, "lost")]),
        (HELD_BACK, [adjusted(0, 5, group="nobody")]),
        (HELD_BACK, [adjusted(0, 5, expires_at=START)]),
        (POOL | {"feedback": {"sales.rejected": {"points": 4}}}, [event(0, "sales.rejected")]),
    ],
)
def test_who_was_given_nothing_is_unscored(told: Json, events: list[Json]) -> None:
    (row,) = naive_replay(told, events).rows
    assert (row["unscored"], row["score"]) == (True, 0.0)


@pytest.mark.parametrize(
    ("told", "events"),
    [
        (FOUNDER, [known(0, title="ceo"), known(1, title=None)]),
        (model({"when": {"not": {"attributes.country": "DE"}}, "points": 4}), [event(0, "sales.won")]),
        (HELD_BACK, [adjusted(0, 0)]),
        (HELD_BACK, [adjusted(0, -5, expires_at=START + 1)]),
    ],
)
def test_who_was_given_anything_once_is_scored_for_good(told: Json, events: list[Json]) -> None:
    (row,) = naive_replay(told, events, START + DAY).rows
    assert not row["unscored"]


def test_what_has_no_effect_is_counted() -> None:
    told = model(rule(0), fit(1, bio=1, name=1))
    events = [
        adjusted(0, 1, group="nobody"),
        adjusted(1, 1, expires_at=START + 1),
        known(2, bio="x" * 2_000, name="y" * 2_000, other="z" * 2_000),
        event(3, "unknown"),
    ]
    counts = naive_replay(told, events).counts
    assert [counts[what, ""] for what in ("effective", "adjustments_ignored", "attributes_dropped")] == [3, 2, 2]
    assert counts["without_effect", ""] == 1


def test_of_65_points_with_an_expiry_the_first_to_expire_go() -> None:
    """Two expire first together: the one that was given first makes room."""
    ends = [9, 5, 5, *range(10, 72)]
    events = [adjusted(place, 2**place, expires_at=START + end * DAY) for place, end in enumerate(ends[:20])]
    events += [adjusted(place + 20, 0, expires_at=START + end * DAY) for place, end in enumerate(ends[20:])]
    assert len(events) == 65
    # all of 20 powers of two but the second
    assert score(HELD_BACK | {"inactivity": []}, events, DAY) == 2**20 - 1 - 2
    # after the fifth day the third has gone as well
    assert score(HELD_BACK | {"inactivity": []}, events, 5 * DAY) == 2**20 - 1 - 2 - 4


def test_an_event_that_only_an_unknown_attribute_keeps_from_counting_leaves_a_trace() -> None:
    told = model({"when": {"type": "act", "attributes.plan": "pro"}, "points": 1}, fit(1, plan="pro"))
    counts = naive_replay(told, [event(0), event(1, "other")]).counts
    assert (counts["effective", ""], counts["without_effect", ""]) == (1, 1)
