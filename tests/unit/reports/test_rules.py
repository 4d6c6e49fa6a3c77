from __future__ import annotations

from tests.support.small import DAY, START, event_value, rule, small_model
from worker.replay import Terms, batches_of, replay_history
from worker.reports.rules import RuleLine, rule_lines
from worker.scoring.model import Model


def lines_of(model: Model, *events: bytes, as_of_ms: int | None = None) -> list[RuleLine]:
    (replay,) = replay_history([[model]], batches_of([("", events)]), Terms(as_of_ms))
    assert replay.as_of_ms is not None
    return rule_lines(replay.contacts, model, 0, replay.as_of_ms)


def test_rules_are_summed_over_contacts_in_file_order_with_silent_ones() -> None:
    """
    Contact c acts twice (60 + 60), b once, two days ago at the end: 15 of 60 left with a half-life of a day; c's are 15 and 60.

    b also complains once: -10. So 90 points above 0 and 10 below.
    """
    model = small_model(rule("act", 60, decay={"half_life": "1d"}), rule("never", 5), rule("complain", -10), groups={})
    found = lines_of(
        model,
        event_value("act"),
        event_value("act", contact="b"),
        event_value("complain", START + 1, contact="b"),
        event_value("act", START + 2 * DAY),
    )
    assert found == [
        RuleLine("rule 0", "engagement", 2, 3, 180.0, 90.0, 0.9),
        RuleLine("rule 1", "engagement", 0, 0, 0.0, 0.0, 0.0),
        RuleLine("rule 2", "engagement", 1, 1, -10.0, -10.0, 0.1),
    ]


def test_awards_before_a_reset_of_the_group_are_gone() -> None:
    model = small_model(rule("act", 60), inactivity=[{"after": "10d", "reset": ["engagement"]}])
    (found,) = lines_of(model, event_value("act"), event_value("act", START + 20 * DAY))
    assert (found.awards, found.awarded, found.points) == (1, 60.0, 60.0)


def test_points_that_no_rule_gave_have_lines_of_their_own_behind_the_rules() -> None:
    model = small_model(rule("act", 60), feedback={"sales.rejected": {"points": -30}})
    found = lines_of(model, event_value("act"), event_value("sales.rejected", START + 1))
    assert [(line.name, line.group, line.contacts, line.points) for line in found] == [
        ("rule 0", "engagement", 1, 60.0),
        ("engagement: feedback", "", 1, -30.0),
    ]


def test_rules_of_a_group_that_drains_say_what_they_gave_and_the_pool_what_is_left() -> None:
    """Three awards of 3 and one of 2 make 11; two midnights take one each."""
    model = small_model(
        rule("visit", 3, group="loyalty"),
        rule("call", 2, group="loyalty"),
        groups={"loyalty": {"drain": {"points": 1, "every": "1d"}}},
    )
    events = [event_value("visit", START + n) for n in range(3)] + [event_value("call", START + 3)]
    found = lines_of(model, *events, as_of_ms=START + 2 * DAY)
    assert [(line.name, line.contacts, line.awards, line.awarded, line.points) for line in found] == [
        ("rule 0", 1, 3, 9.0, 0.0),
        ("rule 1", 1, 1, 2.0, 0.0),
        ("loyalty: pool", 1, 4, 11.0, 9.0),
    ]


def test_several_adjustments_of_one_contact_touch_one_contact() -> None:
    model = small_model(rule("act", 60))
    expiring = [
        event_value("score.adjusted", START + n, contact="c", points=5, reason="call", expires_at=START + (n + 2) * DAY)
        for n in range(3)
    ]
    found = lines_of(model, *expiring)
    assert [(line.name, line.contacts, line.points) for line in found] == [
        ("rule 0", 0, 0.0),
        ("engagement: adjustment", 1, 15.0),
    ]


def test_a_rule_that_only_resets_gives_nothing_and_is_not_listed() -> None:
    model = small_model(rule("act", 60), {"when": {"type": "left"}, "reset": ["engagement"]})
    assert [line.name for line in lines_of(model, event_value("act"), event_value("left", START + 1))] == ["rule 0"]
