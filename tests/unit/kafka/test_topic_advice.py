"""What is better changed about a topic is said, and keeps no worker from running."""

from __future__ import annotations

import pytest

from worker.kafka import topic_plan
from worker.kafka.topic_advice import advice
from worker.settings import load_settings

SETTINGS = load_settings({"LEADSCORE_BROKERS": "one:9092"})
DAY_MS = 24 * 60 * 60 * 1000


def test_topics_as_they_are_created_are_beyond_reproach() -> None:
    specs = topic_plan.plan(SETTINGS)
    assert topic_plan.advise(specs, {spec.name: topic_plan.Existing(4, spec.created_with()) for spec in specs}) == []


def test_timestamps_of_producers_in_the_input_are_warned_of() -> None:
    """If this fails, one producer with a wrong clock sets scores of the future, and nobody has been told that it could."""
    ((problem, fix),) = advice("input", {"message.timestamp.type": "CreateTime"})
    assert "CreateTime" in problem
    assert "message.timestamp.type=LogAppendTime" in fix
    assert list(advice("changelog", {"message.timestamp.type": "CreateTime"})) == []


@pytest.mark.parametrize(
    ("role", "kept_ms", "is_warned_of"),
    [
        ("input", 3 * DAY_MS - 1, True),
        ("input", 3 * DAY_MS, False),
        ("input", -1, False),  # for ever
        ("qualifications", 7 * DAY_MS - 1, True),
        ("dead letters", DAY_MS, True),
        ("dead letters", 7 * DAY_MS, False),
        ("scores", 1000, False),  # compacted
        ("changelog", 1000, False),
    ],
)
def test_topics_that_forget_within_days_are_warned_of(role: str, kept_ms: int, is_warned_of: bool) -> None:
    found = list(advice(role, {"retention.ms": str(kept_ms)}))
    assert bool(found) == is_warned_of


def test_nothing_is_said_of_what_is_missing_or_hidden() -> None:
    specs = topic_plan.plan(SETTINGS)
    assert topic_plan.advise(specs, {}) == []
    assert topic_plan.advise(specs, {SETTINGS.input_topic: topic_plan.Existing(4, {})}) == []


def test_a_warning_names_the_topic() -> None:
    specs = topic_plan.plan(SETTINGS)
    (found,) = topic_plan.advise(specs, {SETTINGS.input_topic: topic_plan.Existing(4, {"retention.ms": "60000"})})
    assert found.topic == SETTINGS.input_topic
    assert "60000" in found.problem
