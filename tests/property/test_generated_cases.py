"""What the laws are tried on: a law says nothing of a construct that the search never writes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.choices import Choices
from tests.support.generated_events import delivered, happened_from
from tests.support.generated_models import model_from
from worker.scoring.model_file import parse_model

Json = dict[str, Any]
TRIED = 400
KEYS = (
    "groups.cap", "groups.floor", "groups.drain.points", "groups.drain.every", "groups.decay.half_life", "groups.decay.percent.rate",
    "groups.decay.linear", "groups.decay.expire", "rules.when", "rules.points", "rules.group", "rules.machine", "rules.reset",
    "rules.once_per", "rules.limit.times", "rules.limit.within", "rules.limit.per", "rules.decay.half_life",
    "rules.decay.percent.every", "rules.decay.linear", "rules.decay.expire", "rules.cap", "activity.types", "activity.not_types",
    "inactivity.after", "inactivity.every", "inactivity.points", "inactivity.multiply", "inactivity.reset", "inactivity.group",
    "tiers.warm", "lateness", "time_zone", "score.floor", "score.cap", "score.precision", "qualify.when.score", "qualify.when.tier",
    "qualify.when.all", "qualify.when.any", "qualify.when.not", "qualify.when.groups.pool", "qualify.when.seen.rule",
    "qualify.when.seen.times", "qualify.when.seen.within", "qualify.when.attributes.title", "qualify.rearm.score",
    "qualify.rearm.not", "qualify.exclude.attributes.email", "qualify.require", "qualify.include", "qualify.again",
    "qualify.not_within", "feedback.sales.won.latch", "feedback.sales.recycled.latch", "feedback.sales.lost.points",
    "feedback.sales.lost.group", "feedback.sales.accepted.reset",
)  # fmt: skip
OPERATORS = (
    "is", "not", "in", "not_in", "at_least", "more_than", "at_most", "less_than", "starts_with", "ends_with", "contains", "like", "exists",
)  # fmt: skip
KINDS = (
    "contact.updated", "score.adjusted", "contact.erased", "sales.accepted", "sales.rejected", "sales.recycled", "sales.won",
    "sales.lost", "sales.called", "noise.made",
)  # fmt: skip


def _chosen(chance: random.Random, size: int) -> Choices:
    return Choices(chance.randbytes(size))


def _models() -> list[Json]:
    chance = random.Random(1)
    return [
        model_from(_chosen(chance, 128), [_chosen(chance, 28) for _ in range(chance.randint(1, 5))])
        for _ in range(TRIED)
    ]


def _events() -> list[Json]:
    chance = random.Random(2)
    return [
        event
        for _ in range(TRIED)
        for event in happened_from([_chosen(chance, 20) for _ in range(chance.randint(1, 16))])
    ]


def _paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each key, lists passed through."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _paths(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for one in value:
            yield from _paths(one, path)
    else:
        yield path


@pytest.fixture(scope="module")
def written() -> set[str]:
    """The paths of all keys that models of the search write, and each of their beginnings."""
    models = [model | {"groups": list(model.get("groups", {}).values())} for model in _models()]
    full = {path for model in models for path in _paths(model)}
    return {".".join(path.split(".")[:length]) for path in full for length in range(1, path.count(".") + 2)}


@pytest.mark.parametrize("key", KEYS)
def test_each_key_of_a_model_is_written(written: set[str], key: str) -> None:
    assert key in written


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_operator_is_written(written: set[str], operator: str) -> None:
    in_short = {"is", "in"}  # a scalar, and a list
    assert operator in in_short or any(path.endswith(f".{operator}") for path in written)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_event_happens(kind: str) -> None:
    assert any(event["type"] == kind for event in _events())


def test_fit_rules_and_rules_that_only_reset_are_written() -> None:
    rules = [rule for model in _models() for rule in model["rules"]]
    assert any(all(name.startswith("attributes.") for name in rule["when"]) for rule in rules)
    assert any("points" not in rule for rule in rules)
    assert any({"type", "attributes.title"} <= set(rule["when"]) for rule in rules)
    assert any({"reset", "points"} <= set(rule) for rule in rules)


def test_adjustments_expire_before_at_and_after_they_are_given() -> None:
    given = [event for event in _events() if event["type"] == "score.adjusted" and "expires_at" in event["properties"]]
    whens = [event["properties"]["expires_at"] for event in given]
    ahead = {
        (when > event["occurred_at"]) - (when < event["occurred_at"])
        for event, when in zip(given, whens, strict=True)
        if isinstance(when, int)
    }
    assert ahead == {-1, 0, 1}
    assert any(isinstance(when, str) for when in whens)


def test_every_model_is_one_that_loads() -> None:
    """The search would otherwise spend its time on refusals."""
    for model in _models():
        assert parse_model(json.dumps(model)).name == "generated"


def test_a_delivery_within_the_window_brings_nothing_later_than_that() -> None:
    chance = random.Random(3)
    for _ in range(TRIED):
        happened = happened_from([_chosen(chance, 20) for _ in range(8)])
        newest = 0
        arrived = delivered(happened, _chosen(chance, 80), 86_400_000)
        for event in arrived:
            newest = max(newest, event["occurred_at"])
            assert event["occurred_at"] >= newest - 86_400_000
        assert {json.dumps(event) for event in arrived} == {json.dumps(event) for event in happened}
