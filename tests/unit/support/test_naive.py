"""The slow reading is itself held to worked sums, and its search for cooling to plain second-by-second looking."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.histories import DAY, HOUR, START, arrivals, happenings, models
from tests.support.naive import naive_replay
from tests.support.naive.contact import Contact, shown
from tests.support.naive.due import Watch, first_due
from tests.support.naive.events import read_event
from tests.support.naive.fold import read
from tests.support.naive.qualify import cools
from tests.support.naive.state import Extras, Given, State, empty_state

Json = dict[str, Any]


def model(**parts: Any) -> Json:
    """A model of one rule: 100 points for a demo."""
    return {"model": "m", "version": 1, "rules": [{"rule": "demo", "when": {"type": "demo"}, "points": 100}]} | parts


def event(name: str, at: int, kind: str = "demo", **properties: Any) -> Json:
    """An event of contact `c` *at* ms after the start."""
    return {"id": name, "contact_id": "c", "type": kind, "occurred_at": START + at, "properties": properties}


def test_a_half_life_halves_the_points() -> None:
    rules = [{"rule": "demo", "when": {"type": "demo"}, "points": 100, "decay": {"half_life": "1d"}}]
    (row,) = naive_replay(model(rules=rules), [event("a", 0)], START + DAY).rows
    assert row["score"] == 50.0


def test_idleness_takes_what_is_there_and_no_more() -> None:
    told = model(inactivity=[{"after": "30d", "every": "30d", "points": -60}])
    scores = [naive_replay(told, [event("a", 0)], START + day * DAY).rows[0]["score"] for day in (29, 30, 60, 90)]
    assert scores == [100.0, 40.0, 0.0, 0.0]


def test_a_reset_ends_the_repeats_of_the_steps_before_it() -> None:
    told = model(
        groups={"engagement": {}, "other": {}},
        inactivity=[
            {"after": "10d", "every": "10d", "points": 1, "group": "other"},
            {"after": "30d", "reset": ["engagement"]},
        ],
    )
    (row,) = naive_replay(told, [event("a", 0)], START + 100 * DAY).rows
    assert row["groups"] == {"engagement": 0.0, "other": 3.0}


def test_a_rolling_limit_frees_at_exactly_its_length() -> None:
    rules = [{"rule": "demo", "when": {"type": "demo"}, "points": 1, "limit": {"times": 1, "within": "1d"}}]
    events = [event(str(hour), hour * HOUR) for hour in (0, 23, 24, 47)]
    (row,) = naive_replay(model(rules=rules), events).rows
    assert row["score"] == 2.0


@pytest.mark.parametrize(
    ("score", "digits", "expected"),
    [(99.99, 1, 99.9), (99.9999999995, 1, 100.0), (-0.05, 1, -0.1), (0.3, 1, 0.3), (2.5, 0, 2.0), (0.0, 6, 0.0)],
)
def test_a_shown_score_is_rounded_down(score: float, digits: int, expected: float) -> None:
    assert shown({"score": {"precision": digits}}, score) == expected


def test_a_late_event_gives_what_is_left_since_its_own_instant() -> None:
    rules = [{"rule": "demo", "when": {"type": "demo"}, "points": 64, "decay": {"half_life": "1d"}}]
    events = [event("a", 0), event("b", 4 * DAY), event("c", 8 * DAY), event("late", DAY)]
    replayed = naive_replay(model(rules=rules), events)
    assert replayed.counts["late", ""] == 1
    assert replayed.rows[0]["score"] == 64 / 256 + 64 / 128 + 64 / 16 + 64


def test_the_latch_tells_once_and_again_after_cooling() -> None:
    rules = [{"rule": "demo", "when": {"type": "demo"}, "points": 100, "decay": {"half_life": "1d"}}]
    told = model(rules=rules, qualify={"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 50}}})
    replayed = naive_replay(told, [event("a", 0), event("b", 1), event("c", 5 * DAY)])
    story = [(one["kind"], one["sequence"], one["cause"]) for one in replayed.transitions]
    assert story == [("lead.cooled", 1, "timer"), ("lead.sales_ready", 1, "demo"), ("lead.sales_ready", 2, "demo")]
    # 200 points that halve daily stand at 50 after two days, and a ms more: below 50 a second later
    assert replayed.transitions[0]["at"] == START + 2 * DAY + 1000


def _state(values: list[tuple[float, float]], extra: float) -> State:
    rules = [
        {"rule": str(number), "when": {"type": "x"}, "points": 1, "decay": {"half_life": f"{hours}m"}}
        for number, (_, hours) in enumerate(values)
    ]
    told = model(
        rules=rules,
        score={"floor": -1000},
        qualify={"when": {"score": {"at_least": 12}}, "rearm": {"score": {"less_than": 10}}},
        inactivity=[{"after": "3m", "every": "4m", "points": -2}],
    )
    state = empty_state(told)
    state.given = [Given(value, START) for value, _ in values]
    state.extras["engagement"] = Extras(feedback_plus=extra)
    state.instant, state.last_activity, state.is_scored = START, START + 1, True
    return state


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([20.0, 11.0, 5.0, -4.0, -15.0]), st.integers(1, 9)), min_size=1, max_size=3),
    st.sampled_from([0.0, 5.0, 10.0, 14.0]),
    st.integers(1, 900),
)
def test_the_search_for_cooling_finds_what_looking_every_second_finds(
    values: list[tuple[float, float]], extra: float, seconds: int
) -> None:
    state = _state(values, extra)
    until = START + seconds * 1000
    instants = sorted(
        {START + one * 1000 for one in range(1, seconds + 1)} | {START + 1 + (3 + 4 * one) * 60_000 for one in range(4)}
    )
    looked = (at for at in instants if at <= until and cools(read(state, at)))
    assert first_due(state, START, until, Watch()) == next(looked, None)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_every_received_event_has_one_fate(data: st.DataObject) -> None:
    told = data.draw(models())
    events = data.draw(happenings().flatmap(arrivals))
    counts = naive_replay(told, events).counts
    fates = ("effective", "duplicate", "without_effect")
    assert counts["received", ""] == len(events) == sum(counts[fate, ""] for fate in fates)


def test_the_newest_512_events_stay_in_the_window() -> None:
    contact = Contact(model(), "c")
    for number in range(600):
        contact.receive(read_event(event(f"{number}", number)), 0)
    assert (len(contact.journal), len(contact.base)) == (512, 88)
