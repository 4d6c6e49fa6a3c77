"""A cases file is read strictly: whoever mistypes learns the line, the nearest name and the fix."""

from __future__ import annotations

import json

import pytest

from worker.cases.case import Case, Number
from worker.cases.file import parse_cases
from worker.errors import ConfigError
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model

DAY = 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

MODEL = """\
model: m
version: 1
groups: {fit: {cap: 70}}
rules:
  - {rule: pricing page, when: {type: page.viewed}, points: 15}
  - {rule: chief, group: fit, when: {attributes.title: ceo}, points: 20}
tiers: {cold: 0, warm: 25}
"""


@pytest.fixture
def model() -> Model:
    return parse_model(MODEL)


def cases(model: Model, text: str) -> tuple[Case, ...]:
    return parse_cases(text, model, "m.cases.yaml")


def one_case(events: str, expect: str) -> str:
    return f"cases:\n  - case: a\n    events:\n      - {events}\n    expect:\n      - {expect}\n"


def refusal(model: Model, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        cases(model, text)
    return str(caught.value)


def test_events_follow_one_another_and_have_ids_of_their_own(model: Model) -> None:
    text = """\
cases:
  - case: a story
    start: 2026-03-01
    events:
      - {type: page.viewed, properties: {path: /pricing}}
      - {at: 3 days later, type: page.viewed, machine: true, source: web, id: x}
      - {type: page.viewed}
    expect:
      - {score: 15}
      - {at: 1 day later, score: {exact: 15.5, within: 0.5}, groups: {fit: 3}, tier: warm, status: held, unscored: false}
"""
    (case,) = cases(model, text)
    written = [json.loads(event.payload) for event in case.events]
    march_1 = START + 59 * DAY
    assert case.start_ms == march_1
    assert [one["occurred_at"] for one in written] == [march_1, march_1 + 3 * DAY, march_1 + 3 * DAY]
    assert [one["id"] for one in written] == ["event 000001", "x", "event 000003"]
    assert written[0]["properties"] == {"path": "/pricing"}
    assert (written[1]["machine"], written[1]["source"]) == (True, "web")
    first, second = case.expectations
    assert (first.at_ms, first.score, first.told) == (march_1 + 3 * DAY, Number(15), None)
    assert (second.at_ms, second.score) == (march_1 + 4 * DAY, Number(15.5, 0.5))
    assert (second.groups, second.tier, second.status, second.unscored) == ({"fit": Number(3)}, "warm", "held", False)


def test_attributes_and_points_by_hand_have_short_forms(model: Model) -> None:
    text = """\
cases:
  - case: a
    events:
      - {attributes: {title: ceo, size: null}}
      - {at: day 2, adjust: {points: 30, group: fit, expires: 5 days later}}
      - {adjust: {points: -5, reason: a call}}
      - {type: sales.rejected, properties: {reason: no budget}}
    expect:
      - {score: 0}
"""
    (case,) = cases(model, text)
    kinds = [(one["type"], one["properties"]) for one in (json.loads(event.payload) for event in case.events)]
    assert kinds == [
        ("contact.updated", {"title": "ceo", "size": None}),
        (
            "score.adjusted",
            {"points": 30.0, "reason": "by hand", "group": "fit", "expires_at": "2026-01-08T00:00:00.000Z"},
        ),
        ("score.adjusted", {"points": -5.0, "reason": "a call"}),
        ("sales.rejected", {"reason": "no budget"}),
    ]


def test_what_was_told_may_be_nothing(model: Model) -> None:
    texts = [one_case("{type: page.viewed}", f"{{told: {told}}}") for told in ("nothing", "[]")]
    assert [cases(model, text)[0].expectations[0].told for text in texts] == [(), ()]


@pytest.mark.parametrize(
    ("events", "expect", "line", "problem", "fix"),
    [
        ("{tipe: page.viewed}", "{score: 1}", 4, 'no key "tipe"', 'write "type"'),
        ("{at: day 1}", "{score: 1}", 4, '"type" is missing', "what happened"),
        ("{at: dya 1, type: a}", "{score: 1}", 4, "no instant", "day 30"),
        ("{at: day 99999, type: a}", "{score: 1}", 4, "outside the years", "day 30"),
        ("{type: a}", "{scroe: 1}", 6, 'no key "scroe"', 'write "score"'),
        ("{type: a}", "{at: day 3}", 6, "nothing is expected", "add score"),
        ("{type: a}", "{score: much}", 6, "a number is wanted", "a number"),
        ("{type: a}", "{score: {exakt: 1}}", 6, 'no key "exakt"', 'write "exact"'),
        ("{type: a}", "{tier: wram}", 6, 'no tier "wram"', 'write "warm"'),
        ("{type: a}", "{groups: {fti: 1}}", 6, 'no group "fti"', 'write "fit"'),
        ("{type: a}", "{status: redy}", 6, "one of open", 'write "ready"'),
        (
            "{type: a}",
            "{reasons: {pricing pages: 1}}",
            6,
            'nothing in this model is called "pricing pages"',
            'write "pricing page"',
        ),
        ("{type: a}", "{told: [{kind: ready}]}", 6, "one of sales_ready", "sales_ready"),
        ("{type: a}", "{told: [{kind: cooled, cuase: timer}]}", 6, 'no key "cuase"', 'write "cause"'),
        ("{type: a}", "{told: [{kind: cooled, at: then}]}", 6, "no instant", "3 days later"),
        ("{at: day 9, type: a}", "{at: day 8, score: 1}", 4, "nothing looks at it", "expect something after it"),
        ("{attributes: {a: 1}, type: page.viewed}", "{score: 1}", 4, "contact.updated", "keep one"),
        ("{attributes: {a: 1}, adjust: {points: 1}}", "{score: 1}", 4, "contact.updated", "keep one"),
        ("{adjust: {pionts: 1}}", "{score: 1}", 4, 'no key "pionts"', 'write "points"'),
        (
            "{type: sales.rejected, properties: {sequence: x}}",
            "{score: 1}",
            4,
            "$.properties.sequence",
            "that the worker takes",
        ),
        ("{type: a, machine: yes}", "{score: 1}", 4, "true or false", "true or false"),
        ("&a {type: a}", "{score: 1}", 4, "anchors", "write the value out"),
    ],
)
def test_a_mistake_is_found_with_its_line_and_a_fix(
    model: Model, events: str, expect: str, line: int, problem: str, fix: str
) -> None:
    told = refusal(model, one_case(events, expect))
    assert f"m.cases.yaml:{line}:" in told
    assert problem in told
    assert fix in told


def test_every_mistake_is_reported_and_codes_speak_of_cases(model: Model) -> None:
    told = refusal(model, one_case("{tipe: a, at: soon}", "{scroe: 1}"))
    assert told.count("cases.unknown_key") == 2
    assert told.count("cases.bad_value") == 1
    assert told.count("fix: ") == 3
    assert "model.unknown" not in told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("cases: []", "there are no cases"),
        ("kases: []", 'write "cases"'),
        ("cases:\n  - {case: a, events: [], expect: []}", "nothing is expected"),
        ("cases:\n  - {case: a, events: []}", '"expect" is missing'),
        ("- a", "a mapping"),
        ("cases: {a: 1}", "a list is wanted"),
        ("cases: [", "this is no YAML"),
    ],
)
def test_a_file_that_holds_no_cases_is_refused(model: Model, text: str, problem: str) -> None:
    assert problem in refusal(model, text)


def test_two_cases_of_one_name_are_refused(model: Model) -> None:
    twice = "  - {case: a, events: [], expect: [{score: 0}]}\n" * 2
    assert 'a case "a" stands in line 2 already' in refusal(model, f"cases:\n{twice}")


def test_expectations_stand_in_the_order_of_time(model: Model) -> None:
    text = "cases:\n  - {case: a, events: [], expect: [{at: day 3, score: 0}, {at: day 2, score: 0}]}\n"
    assert "list expectations in the order of time" in refusal(model, text)
