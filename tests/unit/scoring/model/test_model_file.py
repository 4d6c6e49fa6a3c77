"""What a good file becomes: every construct, every default, the digest, and the shipped models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.event import Event
from worker.scoring.decay import HalfLife
from worker.scoring.file.reference import SECTIONS, model_reference
from worker.scoring.limits import Calendar, Rolling
from worker.scoring.lint import lint_model
from worker.scoring.model import (
    DEFAULT_ACTIVITY,
    Activity,
    Feedback,
    FieldPath,
    Group,
    InactivityStep,
    Reading,
    Tier,
)
from worker.scoring.model_file import load_model, parse_model, shipped_models
from worker.scoring.operators import OPERATORS

DAY = 86_400_000
LEAST = "model: m\nversion: 1\nrules:\n  - {rule: a, when: {type: page.viewed}, points: 5}\n"
FULL = """\
model: full-1
version: 7
time_zone: Europe/Berlin
lateness: 12h
score: {floor: -10, cap: 200.5, precision: 2}
groups:
  fit: {cap: 70, decay: {half_life: 2w}}
  engagement: {floor: -100}
rules:
  - rule: by group
    group: fit
    when: {type: a}
    points: 1.125
    limit: {times: 3, within: 45s}
    once_per: [properties.a.b, type]
    machine: any
  - rule: never fades
    group: fit
    when: {type: a}
    points: -1000000
    decay: none
    limit: {times: 1000, per: week}
    once_per: contact
    machine: true
  - rule: own half-life
    when: {type: a}
    points: 0
    decay: {half_life: 30m}
    cap: 40
    once_per: source
    machine: false
activity: {types: [a, b]}
inactivity:
  - {after: 30d, every: 7d, points: -20, group: fit}
  - {after: 120d, reset: [fit, engagement], multiply: 0.5}
tiers: {cold: -5, warm: 25, hot: 50}
qualify:
  when: {score: {at_least: 100}, tier: {at_least: warm}, groups.fit: {more_than: 10}}
  rearm: {any: [{score: {less_than: 80}}, {not: {tier: [warm, hot]}}]}
  again: recycle
  not_within: 520w
feedback:
  sales.recycled: {reset: [engagement], latch: open}
  sales.rejected: {points: -30, group: fit}
  sales.won: {latch: closed}
"""


def test_full_file_becomes_the_model_it_describes() -> None:
    model = parse_model(FULL)
    assert (model.name, model.version, model.time_zone, model.lateness_ms) == ("full-1", 7, "Europe/Berlin", DAY // 2)
    assert (model.floor, model.cap, model.precision) == (-10.0, 200.5, 2)
    assert model.groups == (Group("engagement", 0, floor=-100.0), Group("fit", 1, cap=70.0))
    assert model.activity == Activity(types=frozenset({"a", "b"}))
    assert model.inactivity == (
        InactivityStep(30 * DAY, every_ms=7 * DAY, points=-20.0, group=1),
        InactivityStep(120 * DAY, reset=(1, 0), multiply=0.5),
    )
    assert model.tiers == (Tier("cold", -5.0), Tier("warm", 25.0), Tier("hot", 50.0))
    assert dict(model.feedback) == {
        "sales.recycled": Feedback("sales.recycled", 0, reset=(0,), latch="open"),
        "sales.rejected": Feedback("sales.rejected", 1, points=-30.0, group=1),
        "sales.won": Feedback("sales.won", 2, latch="closed"),
    }


def test_rules_of_the_full_file_are_what_they_say() -> None:
    by_group, never, own = parse_model(FULL).rules
    assert (by_group.name, by_group.index, by_group.group, by_group.points) == ("by group", 0, 1, 1.125)
    assert by_group.decay == HalfLife(14 * DAY)
    assert by_group.limit == Rolling(3, 45_000)
    assert by_group.once_per == (FieldPath("properties", ("a", "b")), FieldPath("type"))
    assert by_group.machine == "any"
    assert (never.decay, never.once_per, never.machine) == (None, (), "only")
    assert never.limit == Calendar(1000, "week", "Europe/Berlin")
    assert (own.group, own.decay, own.cap, own.machine) == (0, HalfLife(30 * 60_000), 40.0, "no")
    assert own.once_per == (FieldPath("source"),)


@pytest.mark.parametrize(
    ("score", "fit", "tier", "when", "rearm"),
    [
        (100.0, 11.0, 2, True, False),
        (100.0, 10.0, 2, False, False),
        (100.0, 11.0, 0, False, True),
        (79.0, 11.0, 1, False, True),
        (80.0, 11.0, 1, False, False),
    ],
)
def test_qualification_of_the_full_file_judges_readings(
    score: float, fit: float, tier: int, when: bool, rearm: bool
) -> None:
    qualify = parse_model(FULL).qualify
    assert qualify is not None
    assert qualify.rearm is not None
    reading = Reading(score, (0.0, fit), tier)
    assert qualify.when.judge(reading, reading) is when
    assert qualify.rearm.judge(reading, reading) is rearm
    assert (qualify.again, qualify.not_within_ms) == ("recycle", 3640 * DAY)


def test_file_with_the_least_gets_the_defaults() -> None:
    model = parse_model(LEAST)
    assert (model.time_zone, model.lateness_ms) == ("UTC", 3 * DAY)
    assert (model.floor, model.cap, model.precision) == (0.0, None, 1)
    assert model.groups == (Group("engagement", 0),)
    assert (model.activity, model.inactivity, model.tiers) == (DEFAULT_ACTIVITY, (), ())
    assert model.qualify is None
    assert dict(model.feedback) == {}
    (rule,) = model.rules
    assert (rule.group, rule.machine, rule.once_per, rule.limit, rule.decay, rule.cap) == (
        0,
        "no",
        None,
        None,
        None,
        None,
    )


def test_default_rearm_is_none() -> None:
    qualify = parse_model(LEAST + "qualify: {when: {score: 3}}\n").qualify
    assert qualify is not None
    assert (qualify.rearm, qualify.again, qualify.not_within_ms) == (None, "rearm", 0)


def test_words_are_text_in_yaml_1_2() -> None:
    """If this fails, a property with the value `off` is compared with a boolean."""
    text = LEAST.replace(
        "{type: page.viewed}", "{properties.a: [off, yes, NO, on, 2026-01-01, 0o17, 0x1F, 1_000, 010]}"
    )
    holds = parse_model(text).rules[0].when.holds

    def event(value: object) -> Event:
        return Event("e", "c", "t", 0, None, False, {"a": value})

    values = ["off", "yes", "no", "on", "2026-01-01", 15, 31, "1_000", 10]
    assert [value for value in values if not holds(event(value))] == []
    assert not any(holds(event(value)) for value in (False, True, 1000, 8, "10"))


def test_digest_is_that_of_the_content_as_parsed() -> None:
    content = {
        "model": "m",
        "version": 1,
        "rules": [{"rule": "a", "when": {"type": "page.viewed"}, "points": 5}],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert parse_model(LEAST).digest == hashlib.sha256(canonical.encode()).hexdigest()


def test_digest_ignores_comments_and_order_and_sees_every_value() -> None:
    again = "# a comment\nversion: 1\nrules:\n- points: 5\n  when:\n    type: 'page.viewed'\n  rule: a\nmodel: m\n"
    assert parse_model(again).digest == parse_model(LEAST).digest
    assert parse_model(LEAST + "time_zone: UTC\n").digest != parse_model(LEAST).digest
    assert parse_model(LEAST.replace("5", "6")).digest != parse_model(LEAST).digest


def test_each_shipped_model_loads_under_its_own_name() -> None:
    assert "simple-100" in shipped_models()
    for name in shipped_models():
        assert load_model(name).name == name


def test_path_and_name_give_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "copy.yaml"
    path.write_text((Path(__file__).parents[4] / "worker/models/simple-100.yaml").read_text("utf-8"), "utf-8")
    assert load_model(path).digest == load_model(str(path)).digest == load_model("simple-100").digest


def test_file_beside_the_worker_cannot_take_the_place_of_a_shipped_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "simple-100").write_text(LEAST, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_model("simple-100").name == "simple-100"


def test_simple_100_gives_the_points_it_promises() -> None:
    model = load_model("simple-100")
    life_30, life_90 = HalfLife(30 * DAY), HalfLife(90 * DAY)
    assert {rule.name: (rule.points, rule.decay, rule.cap) for rule in model.rules} == {
        "newsletter": (10.0, None, None),
        "form": (20.0, None, None),
        "download": (20.0, None, None),
        "webinar registered": (10.0, None, None),
        "webinar attended": (30.0, None, None),
        "demo requested": (100.0, None, None),
        "visit": (5.0, life_30, None),
        "pricing page": (15.0, life_30, None),
        "email opened": (1.0, life_30, None),
        "email clicked": (5.0, life_30, None),
        "email replied": (10.0, life_30, None),
        "unsubscribed": (-50.0, life_90, None),
        "careers page": (-10.0, life_90, 20.0),
        "hard bounce": (-20.0, life_90, None),
        "spam report": (-100.0, life_90, None),
    }
    assert (model.floor, model.cap) == (0.0, 200.0)
    assert [(tier.name, tier.threshold) for tier in model.tiers] == [("cold", 0.0), ("warm", 25.0), ("hot", 50.0)]
    assert {name: (one.reset, one.latch) for name, one in model.feedback.items()} == {
        "sales.recycled": ((0,), "open"),
        "sales.rejected": ((0,), "open"),
        "sales.won": ((), "closed"),
    }


def test_loan_model_of_the_tests_loads() -> None:
    assert load_model(Path(__file__).parents[3] / "models/bpi-loans.yaml").name == "bpi-loans"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    """If this fails, a strange file ends in a stack trace instead of advice."""
    assert lint_model(text, "m.yaml")


@given(st.data())
def test_any_damage_to_a_file_is_read_or_refused_and_never_crashes(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(FULL)))
    end = data.draw(st.integers(start, min(len(FULL), start + 20)))
    put = data.draw(st.one_of(st.text("{}[]:,-&*!?'\"|>%@` \n\tab01.", max_size=6), st.text(max_size=3)))
    lint_model(FULL[:start] + put + FULL[end:], "m.yaml")


def test_reference_has_every_key_and_operator() -> None:
    text = model_reference()
    for _, _, section in SECTIONS:
        for key in section:
            assert f"| `{key.name}` |" in text
    for name in OPERATORS:
        assert f"| `{name}` |" in text
