"""What would make a lead ready next, what holds it up, when it cools: worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, event_value, rule, small_model
from worker.cases.outcome import outcome_of
from worker.scoring.model import Model
from worker.scoring.next_steps import Gain, Outlook, outlook

READY_AT_100 = {"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 80}}}


def ahead(model: Model, days: float, *events: tuple[str, float] | tuple[str, float, dict[str, Any]]) -> Outlook:
    """Return what comes next *days* after the start, after (type, day, properties)."""
    payloads = []
    for number, (kind, day, *rest) in enumerate(events):
        properties = rest[0] if rest else {}
        payloads.append(event_value(kind, START + round(day * DAY), f"{number:03}", **properties))
    at_ms = START + round(days * DAY)
    outcome = outcome_of(model, payloads, "c", at_ms)
    return outlook(model, outcome.fold, outcome.latch, at_ms)


def gains(found: Outlook) -> list[tuple[str, float, bool]]:
    return [(gain.rule, gain.points, gain.makes_ready) for gain in found.gains]


def test_single_events_that_make_it_ready_come_first_the_largest_of_them_first() -> None:
    model = small_model(rule("open", 1), rule("page", 15), rule("demo", 100), rule("bounce", -20), qualify=READY_AT_100)
    found = ahead(model, 0, *[("page", 0)] * 6)
    assert found.gains == (
        Gain("rule 2", 100.0, 190.0, makes_ready=True),
        Gain("rule 1", 15.0, 105.0, makes_ready=True),
        Gain("rule 0", 1.0, 91.0, makes_ready=False),
    )
    assert (found.missing, found.blocked, found.cools_ms) == ((), None, None)


def test_what_a_limit_or_a_once_key_forbids_is_no_step() -> None:
    model = small_model(
        rule("once", 40, once_per="contact"),
        rule("daily", 30, limit={"times": 1, "per": "day"}),
        rule("form", 20, once_per="properties.form_id"),
        qualify=READY_AT_100,
    )
    events: list[Any] = [("once", 0), ("daily", 0), ("form", 0, {"form_id": "a"})]
    assert gains(ahead(model, 0, *events)) == [("rule 2", 20, True)]  # another form
    assert gains(ahead(model, 1, *events)) == [("rule 1", 30, True), ("rule 2", 20, True)]


def test_points_beyond_a_cap_are_no_gain() -> None:
    model = small_model(
        rule("page", 40, cap=50), rule("click", 10), groups={"engagement": {"cap": 55}}, qualify=READY_AT_100
    )
    assert gains(ahead(model, 0, ("page", 0))) == [("rule 0", 10, False), ("rule 1", 10, False)]
    assert gains(ahead(model, 0, ("page", 0), ("page", 0))) == [("rule 1", 5, False)]


def test_attributes_decide_which_mixed_rules_may_come() -> None:
    mixed = {"when": {"type": "demo", "attributes.title": "ceo"}, "points": 100}
    either = {"when": {"any": [{"type": "call"}, {"attributes.title": "vp"}]}, "points": 30}
    model = small_model(mixed, either, qualify=READY_AT_100)
    assert gains(ahead(model, 0, ("contact.updated", 0, {"title": "cto"}))) == [("rule 1", 30, False)]
    assert gains(ahead(model, 0, ("contact.updated", 0, {"title": "CEO"}))) == [
        ("rule 0", 100, True),
        ("rule 1", 30, False),
    ]


def test_an_award_of_no_points_may_be_what_lacks() -> None:
    model = small_model(rule("act", 5), rule("webinar", 0), qualify={"when": {"seen": {"rule": "rule 1"}}})
    assert gains(ahead(model, 0, ("act", 0))) == [("rule 1", 0, True), ("rule 0", 5, False)]


def test_what_sales_or_machines_do_is_no_step() -> None:
    model = small_model(
        rule("sales.accepted", 50),
        rule("scan", 50, machine=True),
        rule("score.adjusted", 50),
        rule("act", 1),
        qualify=READY_AT_100,
    )
    assert gains(ahead(model, 0, ("act", 0))) == [("rule 3", 1, False)]


def test_a_lead_that_only_lacks_data_says_which() -> None:
    model = small_model(
        rule("act", 100), qualify=READY_AT_100 | {"require": ["attributes.email", "attributes.company.name"]}
    )
    assert ahead(model, 0, ("act", 0)).missing == ("attributes.email", "attributes.company.name")
    known = ("contact.updated", 0, {"email": "a@b.test", "company": {"name": ""}})
    assert ahead(model, 0, ("act", 0), known).missing == ("attributes.company.name",)
    assert ahead(model, 0, ("contact.updated", 0, {"x": 1})).missing == ()  # it lacks points first


@pytest.mark.parametrize(
    ("qualify", "feedback", "events", "words"),
    [
        ({}, {"sales.won": {"latch": "closed"}}, [("act", 0), ("sales.won", 0)], "closed: sales is never told"),
        (
            {"again": "recycle"},
            {"sales.recycled": {"latch": "open"}, "sales.rejected": {"latch": "open", "reset": ["engagement"]}},
            [("act", 0), ("sales.rejected", 0)],
            "waiting: only sales.recycled",
        ),
        ({"exclude": {"attributes.test": True}}, {}, [("contact.updated", 0, {"test": True}), ("act", 0)], "excluded"),
        ({"not_within": "7d"}, {}, [("act", 0), ("bad", 0)], "too short a time ago"),
    ],
)
def test_what_blocks_a_lead_is_said(
    qualify: dict[str, Any], feedback: dict[str, Any], events: list[Any], words: str
) -> None:
    model = small_model(rule("act", 100), rule("bad", -50), qualify=READY_AT_100 | qualify, feedback=feedback)
    found = ahead(model, 1, *events)
    assert found.blocked is not None
    assert found.blocked.startswith(words) or words in found.blocked
    assert not any(gain.makes_ready for gain in found.gains)


def test_a_resting_lead_may_be_ready_again_by_one_good_sign() -> None:
    model = small_model(rule("act", 100), qualify=READY_AT_100, feedback={"sales.rejected": {"latch": "open"}})
    assert gains(ahead(model, 1, ("act", 0), ("sales.rejected", 0.5))) == [("rule 0", 100, True)]


def test_a_model_without_qualify_tells_nothing() -> None:
    assert "no `qualify`" in str(ahead(small_model(rule("act", 1)), 0, ("act", 0)).blocked)


def test_a_ready_lead_cools_when_an_idle_step_takes_its_points() -> None:
    model = small_model(
        rule("act", 110), qualify=READY_AT_100, inactivity=[{"after": "30d", "every": "30d", "points": -20}]
    )
    assert ahead(model, 3, ("act", 0.5)).cools_ms == START + 60 * DAY + 12 * HOUR  # 90 after one step, 70 after two
    assert ahead(model, 3, ("act", 0.5)).gains == ()


def test_a_ready_lead_cools_at_the_first_whole_second_below_the_line() -> None:
    """160 halve in a day: exactly 80 after 24 hours, which is not below 80; a second later it is."""
    model = small_model(rule("act", 160, decay={"half_life": "1d"}), qualify=READY_AT_100)
    assert ahead(model, 0.5, ("act", 0)).cools_ms == START + DAY + 1_000


def test_a_lead_whose_points_stay_never_cools_by_itself() -> None:
    assert ahead(small_model(rule("act", 100), qualify=READY_AT_100), 3, ("act", 0)).cools_ms is None


def test_looking_ahead_changes_nothing() -> None:
    model = small_model(rule("act", 60), rule("page", 50), qualify=READY_AT_100)
    outcome = outcome_of(model, [event_value("act", START)], "c", START)
    first = outlook(model, outcome.fold, outcome.latch, START)
    assert outlook(model, outcome.fold, outcome.latch, START) == first
    assert (outcome.fold.rules[0].count, outcome.latch.sequence) == (1, 0)
