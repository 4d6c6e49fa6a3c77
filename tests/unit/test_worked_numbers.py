"""
Numbers worked out by hand, held against the worker and against the slow second reading alike.

Each case is a story that a marketer can check with a pencil; day 0 begins at midnight UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import worker.models
from tests.support.engine import EngineReading, engine_replay
from tests.support.naive import NaiveReplay, naive_replay

Json = dict[str, Any]
Replay = Callable[[Json, Sequence[Json], int], "EngineReading | NaiveReplay"]

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z, a Thursday."""
MARCH_28 = START + 86 * DAY

SIMPLE_100_FILE = Path(next(iter(worker.models.__path__))) / "simple-100.yaml"


def _engine(told: Json, events: Sequence[Json], as_of: int) -> EngineReading:
    return engine_replay(json.dumps(told), events, as_of)


def _naive(told: Json, events: Sequence[Json], as_of: int) -> NaiveReplay:
    return naive_replay(told, events, as_of)


@pytest.fixture(params=[_engine, _naive], ids=["worker", "second reading"])
def replay(request: pytest.FixtureRequest) -> Replay:
    """Each of the two readings in turn."""
    reading: Replay = request.param
    return reading


@pytest.fixture(scope="module")
def simple_100() -> Json:
    """The shipped default model, as parsed from its file."""
    parsed: Json = YAML(typ="safe", pure=True).load(SIMPLE_100_FILE.read_text("utf-8"))
    return parsed


def model(points: float = 1, /, *, rule: Mapping[str, Any] | None = None, **parts: Any) -> Json:
    """A model with one rule: *points* for each `act`, with more of the rule in *rule* and of the model in *parts*."""
    one = {"rule": "act", "when": {"type": "act"}, "points": points, **(rule or {})}
    return {"model": "worked", "version": 1, "rules": [one], **parts}


def event(kind: str, at: float, name: str = "", /, **properties: Any) -> Json:
    """An event of the one contact, *at* days after day 0."""
    instant = START + round(at * DAY)
    return {
        "id": name or f"{kind} {at} {sorted(properties.items())}",
        "contact_id": "c",
        "type": kind,
        "occurred_at": instant,
        "properties": properties,
    }


def story(read: EngineReading | NaiveReplay) -> list[tuple[str, int, str]]:
    """What sales was told, oldest first."""
    told = sorted(read.transitions, key=lambda one: (one["at"], one["sequence"], one["kind"] == "lead.cooled"))
    return [(one["kind"].removeprefix("lead."), one["sequence"], one["cause"]) for one in told]


DAY_0 = [
    event("newsletter.subscribed", 0),
    event("form.submitted", 0, form_id="contact"),
    event("form.submitted", 0, form_id="survey"),
    event("webinar.registered", 0, webinar_id="w"),
    event("webinar.attended", 0, webinar_id="w"),
    event("page.viewed", 0, path="/pricing"),
]


# decay


@pytest.mark.parametrize(
    ("points", "half_life", "age_days", "left"),
    [
        (100, "24h", 1, 50.0),
        (25, "14d", 14, 12.5),
        (100, "24h", 0, 100.0),
        (100, "24h", 3, 12.5),
        (-50, "90d", 90, -25.0),
    ],
)
def test_points_halve_with_each_half_life(
    replay: Replay, points: float, half_life: str, age_days: int, left: float
) -> None:
    told = model(points, rule={"decay": {"half_life": half_life}}, score={"floor": -1000})
    (row,) = replay(told, [event("act", 0)], START + age_days * DAY).rows
    assert row["score"] == left


@pytest.mark.parametrize(("midnights", "left"), [(0, 100.0), (1, 98.0), (30, 54.5484), (35, 49.3074)])
def test_two_percent_a_day_go_at_midnight(replay: Replay, midnights: int, left: float) -> None:
    told = model(100, rule={"decay": {"percent": {"rate": "2%", "every": "1d"}}})
    for hour in (0, 23.99):  # whenever on their day they are given and looked at
        (row,) = replay(told, [event("act", hour / 24)], START + midnights * DAY + DAY - 1).rows
        assert left <= row["score"] < left + 1e-4  # digits cut, not rounded


@pytest.mark.parametrize(
    ("points", "form", "at_ms", "left"),
    [
        (9, "linear", 3 * DAY, 8.7),
        (100, "linear", DAY - 1, 100.0),
        (100, "linear", 90 * DAY, 0.0),
        (10, "expire", 90 * DAY - 1, 10.0),
        (10, "expire", 90 * DAY, 0.0),
    ],
)
def test_points_of_ninety_days_go_by_whole_days(
    replay: Replay, points: float, form: str, at_ms: int, left: float
) -> None:
    """Given at 13:00 of day 0; for the sliding window the last millisecond counts."""
    told = model(points, rule={"decay": {form: "90d"}})
    (row,) = replay(told, [event("act", 13 / 24)], START + at_ms).rows
    assert row["score"] == pytest.approx(left, abs=1e-12)


@pytest.mark.parametrize(("midnights", "left"), [(0, 3.0), (2, 1.0), (3, 0.0), (5, 0.0)])
def test_a_pool_of_3_loses_one_a_day_and_never_less_than_nothing(replay: Replay, midnights: int, left: float) -> None:
    pool = {"groups": {"basics": {"drain": {"points": 1, "every": "1d"}}}}
    told = model(3, rule={"group": "basics"}, **pool, score={"floor": -100})
    (row,) = replay(told, [event("act", 0.5)], START + DAY // 2 + midnights * DAY).rows
    assert row["score"] == left


# limits


def test_one_within_24_hours_awards_at_hours_0_and_24(replay: Replay) -> None:
    told = model(rule={"limit": {"times": 1, "within": "24h"}})
    events = [event("act", hour / 24) for hour in (0, 23, 24, 47)]
    scores = [replay(told, events[: n + 1], START + 2 * DAY).rows[0]["score"] for n in range(4)]
    assert scores == [1.0, 1.0, 2.0, 2.0]


def test_one_a_day_in_berlin_counts_civil_days_when_the_clocks_go_forward(replay: Replay) -> None:
    told = model(rule={"limit": {"times": 1, "per": "day"}}, time_zone="Europe/Berlin")
    at = [MARCH_28 + 23.5 * HOUR, MARCH_28 + DAY + 21.5 * HOUR, MARCH_28 + DAY + 22.5 * HOUR]
    events = [event("act", (instant - START) / DAY) for instant in at]
    assert [one["occurred_at"] for one in events] == [1_774_740_600_000, 1_774_819_800_000, 1_774_823_400_000]
    scores = [replay(told, events[: n + 1], MARCH_28 + 5 * DAY).rows[0]["score"] for n in range(3)]
    assert scores == [1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("per", "days", "awards"),
    [
        ("week", [0, 3.99, 4], 2),  # Thursday, the last of Sunday, Monday
        ("month", [0, 30.99, 31], 2),
        ("day", [0, 0.99, 1, 1.5], 2),
    ],
)
def test_one_per_period_of_the_calendar_starts_anew_with_the_period(
    replay: Replay, per: str, days: list[float], awards: int
) -> None:
    told = model(rule={"limit": {"times": 1, "per": per}})
    (row,) = replay(told, [event("act", day) for day in days], START + 40 * DAY).rows
    assert row["score"] == awards


# simple-100


def test_a_newsletter_two_forms_a_webinar_and_a_pricing_page_make_a_lead_ready(
    replay: Replay, simple_100: Json
) -> None:
    read = replay(simple_100, DAY_0, START)
    assert (read.rows[0]["score"], read.rows[0]["tier"]) == (105.0, "hot")
    assert story(read) == [("sales_ready", 1, "page.viewed")]


def test_the_same_lead_cools_on_day_30_exactly_when_the_idle_step_takes_its_points(
    replay: Replay, simple_100: Json
) -> None:
    just_before = replay(simple_100, DAY_0, START + 30 * DAY - 1)
    assert story(just_before) == [("sales_ready", 1, "page.viewed")]
    read = replay(simple_100, DAY_0, START + 30 * DAY)
    cooled = next(one for one in read.transitions if one["kind"] == "lead.cooled")
    assert (cooled["at"], cooled["cause"], cooled["score"]) == (START + 30 * DAY, "timer", 77.5)
    # what is taken is spread over what is positive: 97.5 became 77.5
    assert read.rows[0]["score"] == pytest.approx(77.5, abs=1e-9)
    assert (read.rows[0]["shown"], read.rows[0]["latch"]) == (77.5, "open")


def test_a_demo_asked_for_after_two_silent_years_makes_a_lead_ready(replay: Replay, simple_100: Json) -> None:
    """Idleness makes no debt."""
    read = replay(simple_100, [event("newsletter.subscribed", 0), event("demo.requested", 750)], START + 750 * DAY)
    assert read.rows[0]["score"] == 100.0
    assert story(read) == [("sales_ready", 1, "demo.requested")]


def test_the_same_mail_opened_three_times_counts_once(replay: Replay, simple_100: Json) -> None:
    opened = [event("email.opened", 0, f"open {n}", message_id="spring") for n in range(3)]
    assert replay(simple_100, opened, START).rows[0]["score"] == 1.0


@pytest.mark.parametrize("names", [["a"] * 5, ["a", "b", "c", "d", "e"]], ids=["one id", "five ids"])
def test_a_newsletter_subscribed_five_times_counts_once(replay: Replay, simple_100: Json, names: list[str]) -> None:
    events = [event("newsletter.subscribed", day, name) for day, name in enumerate(names)]
    assert replay(simple_100, events[:1] + events[1:], START + 2 * DAY).rows[0]["score"] == 10.0
    assert replay(simple_100, events, START + 4 * DAY).rows[0]["score"] == 10.0


def test_leaving_the_newsletter_may_arrive_after_the_form_that_came_later(replay: Replay, simple_100: Json) -> None:
    subscribed, left = event("newsletter.subscribed", 0), event("email.unsubscribed", 1)
    form = event("form.submitted", 2, form_id="f")
    rows = [replay(simple_100, list(order), START + 9 * DAY).rows for order in permutations([subscribed, left, form])]
    assert all(repr(one) == repr(rows[0]) for one in rows)


def test_a_lead_that_sales_sent_back_is_told_again_once_it_earns_it_again(replay: Replay, simple_100: Json) -> None:
    events = [
        event("demo.requested", 0),
        event("sales.rejected", 1),
        event("email.bounced", 2, kind="hard"),
        event("email.clicked", 3, message_id="m", url="u"),
        event("demo.requested", 4),
    ]
    first = [("sales_ready", 1, "demo.requested"), ("cooled", 1, "sales.rejected")]
    read = replay(simple_100, events, START + 4 * DAY)
    # reset to nothing, then -20 that fade for two days, 5 that fade for one, and 100: not quite enough
    assert read.rows[0]["score"] == pytest.approx(100 - 20 * 2 ** (-2 / 90) + 5 * 2 ** (-1 / 30), abs=1e-9)
    assert story(read) == first
    again = replay(simple_100, [*events, event("form.submitted", 4, form_id="f")], START + 4 * DAY)
    assert story(again) == [*first, ("sales_ready", 2, "form.submitted")]


def test_nothing_is_told_of_a_customer_again(replay: Replay, simple_100: Json) -> None:
    events = [
        event("demo.requested", 0),
        event("sales.won", 1),
        event("demo.requested", 2),
        event("demo.requested", 200),
    ]
    read = replay(simple_100, events, START + 400 * DAY)
    assert story(read) == [("sales_ready", 1, "demo.requested")]
    assert read.rows[0]["latch"] == "closed"


def test_mail_opened_by_a_machine_is_worth_nothing_and_no_sign_of_life(replay: Replay, simple_100: Json) -> None:
    human = event("newsletter.subscribed", 0)
    prefetch = event("email.opened", 29, message_id="m") | {"machine": True}
    read = replay(simple_100, [human, prefetch], START + 30 * DAY)
    assert (read.rows[0]["score"], read.counts["without_effect", ""]) == (0.0, 1)


# sales and idleness


def test_a_rejected_lead_is_told_again_by_the_next_good_sign_and_not_by_a_bad_one(replay: Replay) -> None:
    told = {
        "model": "worked",
        "version": 1,
        "rules": [
            {"rule": "much", "when": {"type": "much"}, "points": 150},
            {"rule": "bounce", "when": {"type": "bounce"}, "points": -20},
            {"rule": "click", "when": {"type": "click"}, "points": 5},
        ],
        "qualify": {"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 80}}},
        "feedback": {"sales.rejected": {"points": -30, "latch": "open"}},
    }
    events = [event("much", 0), event("sales.rejected", 1), event("bounce", 2), event("click", 3)]
    assert story(replay(told, events[:3], START + 2 * DAY)) == [
        ("sales_ready", 1, "much"),
        ("cooled", 1, "sales.rejected"),
    ]
    read = replay(told, events, START + 3 * DAY)
    assert story(read)[2:] == [("sales_ready", 2, "click")]
    assert [one["score"] for one in read.transitions] == [120.0, 150.0, 105.0]


def test_what_idleness_takes_never_makes_a_debt(replay: Replay) -> None:
    told = model(
        100, rule={"decay": {"half_life": "30d"}}, inactivity=[{"after": "30d", "every": "30d", "points": -50}]
    )
    assert [replay(told, [event("act", 0)], START + day * DAY).rows[0]["score"] for day in (29, 30, 60)] == [
        pytest.approx(100 * 2 ** (-29 / 30)),
        0.0,
        0.0,
    ]


def test_a_faded_penalty_alone_makes_nobody_ready(replay: Replay) -> None:
    """Time alone never calls sales: only a good sign does."""
    told = model(
        100,
        qualify={"when": {"score": {"at_least": 90}}},
        inactivity=[{"after": "365d", "reset": ["engagement"]}],
    )
    told["rules"].append({"rule": "bad", "when": {"type": "bad"}, "points": -50, "decay": {"half_life": "1d"}})
    told["rules"].append({"rule": "zero", "when": {"type": "zero"}, "points": 0})
    events = [event("bad", 0), event("act", 0.5), event("seen", 20), event("bad", 21), event("zero", 40)]
    assert story(replay(told, events[:4], START + 35 * DAY)) == []
    assert story(replay(told, events, START + 41 * DAY)) == [("sales_ready", 1, "zero")]


def test_a_good_fit_without_any_engagement_makes_nobody_ready(replay: Replay) -> None:
    told = model(
        100,
        rule={"group": "fit"},
        groups={"engagement": {}, "fit": {}},
        qualify={"when": {"groups.engagement": {"more_than": 0}}},
    )
    told["rules"].append({"rule": "click", "when": {"type": "click"}, "points": 1})
    events = [event("act", 0), event("click", 1)]
    assert story(replay(told, events[:1], START)) == []
    assert story(replay(told, events, START + DAY)) == [("sales_ready", 1, "click")]


def test_a_contact_without_any_award_reads_as_nothing(replay: Replay) -> None:
    told = model(10, feedback={"sales.lost": {"points": 40}}, tiers={"cold": 0, "hot": 10})
    read = replay(told, [event("sales.lost", 0)], START)
    assert (read.rows[0]["unscored"], read.rows[0]["score"], read.rows[0]["tier"]) == (True, 0.0, "cold")


def test_a_webinar_seen_makes_ready_whatever_the_score_and_keeps_it_so(replay: Replay) -> None:
    """`rearm` asks for less than 80, which 30 is; but as long as `when` holds nothing cools."""
    told = model(
        30,
        qualify={"when": {"seen": {"rule": "act"}}, "rearm": {"score": {"less_than": 80}}},
    )
    events = [event("act", 0), event("act", 1)]
    assert story(replay(told, events, START + 100 * DAY)) == [("sales_ready", 1, "act")]


def test_a_chief_of_a_large_company_who_attended_a_webinar_is_ready_without_any_threshold(replay: Replay) -> None:
    """Whichever comes last, the act or the data, makes the lead ready."""
    told = model(
        0,
        qualify={
            "when": {
                "attributes.title": {"in": ["ceo", "founder"]},
                "attributes.revenue": {"more_than": 1_000_000},
                "seen": {"rule": "act"},
            }
        },
    )
    data = event("contact.updated", 1, title="CEO", revenue=2_000_000)
    for at, cause in ((0, "contact.updated"), (2, "act")):
        read = replay(told, [event("act", at), data] if at == 0 else [data, event("act", at)], START + 9 * DAY)
        assert story(read) == [("sales_ready", 1, cause)]


def test_points_given_by_hand_for_a_fair_count_until_they_end(replay: Replay) -> None:
    told = model(1, qualify={"when": {"score": {"at_least": 50}}})
    fair = event("score.adjusted", 0, points=50, reason="fair", expires_at="2026-01-31T00:00:00Z")
    read = replay(told, [fair], START + 90 * DAY)
    assert story(read) == [("sales_ready", 1, "score.adjusted"), ("cooled", 1, "timer")]
    assert {one["kind"]: one["at"] for one in read.transitions}["lead.cooled"] == START + 30 * DAY
    assert replay(told, [fair], START + 30 * DAY - 1).rows[0]["score"] == 50.0
