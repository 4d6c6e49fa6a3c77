"""The models that come with the worker give what their descriptions promise."""

from __future__ import annotations

import pytest

from worker.contracts.event import Event
from worker.scoring.decay import Decay, Drain, HalfLife, Percent
from worker.scoring.limits import Calendar, Limit
from worker.scoring.model import FieldPath, Model, Rule
from worker.scoring.model_file import load_model, shipped_models

DAY = 86_400_000
DAILY = Calendar(1, "day", "UTC")
WEEKLY = Calendar(1, "week", "UTC")
MONTHLY = Calendar(1, "month", "UTC")
HALF_60 = HalfLife(60 * DAY)
FADE_2, FADE_1 = Percent(0.02, DAY), Percent(0.01, DAY)


def one_per(name: str) -> tuple[FieldPath, ...]:
    return (FieldPath("properties", (name,)),)


def terms(model: Model, rule: Rule) -> tuple[str, float, object, Limit | None, Decay | None, float | None]:
    return model.groups[rule.group].name, rule.points, rule.once_per, rule.limit, rule.decay, rule.cap


def matching(model: Model, event_type: str, **properties: object) -> set[str]:
    event = Event("e", "c", event_type, 0, None, False, properties)
    return {rule.name for rule in model.rules if not rule.is_fit and rule.when.holds(event)}


def holding(model: Model, **attributes: object) -> set[str]:
    return {rule.name for rule in model.fit_rules if rule.when.settles(0, attributes)}


def test_three_models_come_with_the_worker() -> None:
    assert shipped_models() == ("b2b-fit", "daily-fade", "simple-100")


def test_digest_of_simple_100_is_what_it_always_was() -> None:
    """If this fails, every score that was ever made with it seems to come from another model."""
    assert load_model("simple-100").digest == "948233530d3095649e5623dc36d1adf29bfefa7a61fd690b037701b93a2bbd24"


def test_b2b_fit_gives_the_points_it_promises() -> None:
    model = load_model("b2b-fit")
    assert {rule.name: terms(model, rule) for rule in model.rules} == {
        "business address": ("fit", 35.0, None, None, None, None),
        "free address": ("fit", -10.0, None, None, None, None),
        "decides": ("fit", 15.0, None, None, None, None),
        "manages": ("fit", 5.0, None, None, None, None),
        "uses what we sell": ("fit", 20.0, None, None, None, None),
        "country we serve": ("fit", 5.0, None, None, None, None),
        "50 people or more": ("fit", 10.0, None, None, None, None),
        "webinar attended": ("engagement", 40.0, one_per("webinar_id"), None, None, None),
        "event attended": ("engagement", 40.0, one_per("event_id"), None, None, None),
        "webinar registered": ("engagement", 20.0, None, None, None, None),
        "survey answered": ("engagement", 30.0, None, None, None, None),
        "newsletter": ("engagement", 5.0, None, WEEKLY, None, None),
        "demo requested": ("engagement", 100.0, None, DAILY, None, None),
        "contact requested": ("engagement", 100.0, None, DAILY, None, None),
        "download": ("engagement", 15.0, one_per("asset_id"), None, HALF_60, None),
        "pricing page": ("engagement", 25.0, None, WEEKLY, HALF_60, None),
        "careers page": ("engagement", -10.0, None, DAILY, HALF_60, None),
        "hard bounce": ("engagement", -20.0, None, MONTHLY, None, None),
        "unsubscribed": ("engagement", 0.0, None, None, None, None),
    }
    assert [rule.name for rule in model.rules if rule.reset == (0,)] == ["unsubscribed"]
    assert [rule.name for rule in model.rules if not rule.gives] == ["unsubscribed"]
    assert [(group.name, group.floor, group.cap) for group in model.groups] == [
        ("engagement", None, 300.0),
        ("fit", None, 70.0),
    ]
    assert (model.floor, model.cap, model.inactivity) == (0.0, None, ())


@pytest.mark.parametrize(
    ("attributes", "rules"),
    [
        ({"email_kind": "Business", "seniority": "VP"}, {"business address", "decides"}),
        ({"email_kind": "free", "seniority": "manager"}, {"free address", "manages"}),
        ({"seniority": "c-level", "function": "IT"}, {"decides", "uses what we sell"}),
        ({"seniority": "director", "function": "operations"}, {"decides", "uses what we sell"}),
        ({"employees": 50, "country": "NL"}, {"50 people or more", "country we serve"}),
        ({"employees": 49, "country": "zz", "function": "legal", "seniority": "intern"}, set()),
    ],
)
def test_b2b_fit_reads_who_they_are(attributes: dict[str, object], rules: set[str]) -> None:
    assert holding(load_model("b2b-fit"), **attributes) == rules


@pytest.mark.parametrize(
    ("event_type", "properties", "rules"),
    [
        ("page.viewed", {"path": "/Pricing/teams"}, {"pricing page"}),
        ("page.viewed", {"path": "/careers"}, {"careers page"}),
        ("email.bounced", {"kind": "hard"}, {"hard bounce"}),
        ("email.bounced", {"kind": "soft"}, set()),
        ("email.unsubscribed", {}, {"unsubscribed"}),
        ("contact.requested", {}, {"contact requested"}),
        ("survey.answered", {}, {"survey answered"}),
    ],
)
def test_b2b_fit_reads_what_they_do(event_type: str, properties: dict[str, object], rules: set[str]) -> None:
    assert matching(load_model("b2b-fit"), event_type, **properties) == rules


def test_daily_fade_gives_the_points_it_promises() -> None:
    model = load_model("daily-fade")
    assert {rule.name: terms(model, rule) for rule in model.rules} == {
        "email opened": ("basics", 1.0, None, None, FADE_2, None),
        "email clicked": ("basics", 5.0, None, None, FADE_2, None),
        "page viewed": ("basics", 2.0, None, None, FADE_2, None),
        "pricing page": ("basics", 10.0, None, None, FADE_2, None),
        "download": ("basics", 20.0, one_per("asset_id"), None, FADE_1, None),
        "trial started": ("intent", 100.0, None, None, None, None),
        "demo requested": ("intent", 100.0, None, None, None, None),
        "call requested": ("intent", 100.0, None, None, None, None),
        "c-level": ("fit", 10.0, None, None, None, None),
        "session": ("loyalty", 3.0, None, DAILY, None, None),
    }
    assert [(group.name, group.drain) for group in model.groups] == [
        ("engagement", None),
        ("basics", None),
        ("intent", None),
        ("fit", None),
        ("loyalty", Drain(1.0, DAY)),
    ]
    assert (model.floor, model.cap) == (0.0, 100.0)
    assert matching(model, "page.viewed", path="/pricing") == {"page viewed", "pricing page"}
    assert holding(model, seniority="C-Level") == {"c-level"}


@pytest.mark.parametrize(
    ("name", "tiers", "reset"),
    [
        ("b2b-fit", [("cold", 0.0), ("warm", 40.0), ("hot", 70.0)], ["engagement"]),
        ("daily-fade", [("cold", 0.0), ("warm", 40.0), ("hot", 70.0)], ["basics", "intent", "loyalty"]),
    ],
)
def test_tiers_and_feedback_are_those_promised(name: str, tiers: list[tuple[str, float]], reset: list[str]) -> None:
    model = load_model(name)
    assert [(tier.name, tier.threshold) for tier in model.tiers] == tiers
    named = {
        kind: ([model.groups[index].name for index in one.reset], one.points, one.latch)
        for kind, one in model.feedback.items()
    }
    assert named == {
        "sales.recycled": (reset, None, "open"),
        "sales.rejected": (reset, None, "open"),
        "sales.won": ([], None, "closed"),
    }
