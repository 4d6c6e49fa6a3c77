"""A case that does not hold says what was expected, what was, and why."""

from __future__ import annotations

import pytest

from worker.cases.file import parse_cases
from worker.cases.judging import Verdict, judge
from worker.cases.report import Suite, suite_json, suite_lines
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model

MODEL = """\
model: small
version: 3
groups: {fit: {}}
rules:
  - {rule: visit, when: {type: session.started}, points: 12.34, decay: {half_life: 1d}}
  - {rule: chief, group: fit, when: {attributes.title: ceo}, points: 100}
tiers: {cold: 0, hot: 100}
qualify:
  when: {score: {at_least: 100}}
  rearm: {score: {less_than: 50}}
  include: [attributes.title]
"""
EVENTS = "[{type: session.started}, {at: day 1, attributes: {title: ceo}}, {at: day 3, attributes: {title: null}}]"


@pytest.fixture
def model() -> Model:
    return parse_model(MODEL)


def verdict(model: Model, expect: str) -> Verdict:
    text = f"cases:\n  - case: a story\n    events: {EVENTS}\n    expect:\n      - {expect}\n      - {{at: day 3, unscored: false}}\n"
    (case,) = parse_cases(text, model, "small.cases.yaml")
    return judge(model, case)


def differences(model: Model, expect: str) -> list[tuple[str, str, str]]:
    return [
        (one.what, one.expected, one.was) for failure in verdict(model, expect).failures for one in failure.differences
    ]


@pytest.mark.parametrize(
    "expect",
    [
        "{at: day 0, score: 12.3, tier: cold, status: open, unscored: false, told: nothing}",
        "{at: day 0, score: {exact: 12.34}, groups: {engagement: 12.3, fit: 0}, reasons: {visit: 12.34}}",
        "{at: day 1, score: 106.1, reasons: {chief: 100, visit: null}}",  # 100 + 6.17
        "{at: day 1, told: [{kind: sales_ready, at: day 1, sequence: 1, cause: contact.updated, score: 106.1, tier: hot}]}",
        "{at: day 1, told: [{kind: sales_ready, reasons: {chief: 100, visit: 6.17}, attributes: {title: ceo}}]}",
        "{at: 1ms before day 0, score: 0, unscored: true, told: nothing}",
    ],
)
def test_a_case_holds_when_all_is_as_expected(model: Model, expect: str) -> None:
    assert differences(model, expect) == []


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ("{at: day 0, score: 12}", [("score", "12", "12.3 (before rounding 12.34)")]),
        ("{at: day 0, score: 12.4}", [("score", "12.4", "12.3 (before rounding 12.34)")]),
        ("{at: day 0, score: {exact: 12.35, within: 0.001}}", [("score", "12.35 (exact, within 0.001)", "12.34")]),
        ("{at: day 0, groups: {fit: 1}}", [("group fit", "1", "0")]),
        ("{at: day 0, tier: hot, status: ready}", [("tier", "hot", "cold"), ("status", "ready", "open")]),
        ("{at: day 0, unscored: true}", [("unscored", "yes", "no")]),
        (
            "{at: day 0, reasons: {visit: 12.3, chief: null}}",
            [("reason visit", "12.3", "12.34"), ("reason chief", "there", "nothing")],
        ),
        (
            "{at: day 0, told: [{kind: sales_ready, sequence: 1}]}",
            [("told 1", "lead.sales_ready, sequence 1", "nothing")],
        ),
        (
            "{at: day 1, told: nothing}",
            [
                (
                    "told 1",
                    "nothing",
                    "lead.sales_ready, sequence 1, at 2026-01-02T00:00:00.000Z, cause contact.updated, score 106.1, tier hot",
                )
            ],
        ),
        ("{at: day 1, told: [{kind: cooled}]}", [("told 1: kind", "lead.cooled", "lead.sales_ready")]),
        (
            "{at: day 1, told: [{kind: sales_ready, at: day 0, sequence: 2, cause: timer, score: 100, tier: cold}]}",
            [
                ("told 1: at", "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"),
                ("told 1: sequence", "2", "1"),
                ("told 1: cause", "timer", "contact.updated"),
                ("told 1: score", "100", "106.1"),
                ("told 1: tier", "cold", "hot"),
            ],
        ),
        (
            "{at: day 1, told: [{kind: sales_ready, reasons: {visit: 7}, attributes: {title: vp}}]}",
            [("told 1: reason visit", "7", "6.17"), ("told 1: attributes", "{'title': 'vp'}", "{'title': 'ceo'}")],
        ),
    ],
)
def test_whatever_differs_is_named(model: Model, expect: str, found: list[tuple[str, str, str]]) -> None:
    assert differences(model, expect) == found


def test_told_means_since_the_expectation_before(model: Model) -> None:
    (case,) = parse_cases(
        f"cases:\n  - case: a\n    events: {EVENTS}\n    expect:\n"
        "      - {at: day 1, told: [{kind: sales_ready}]}\n"
        "      - {at: day 2, told: nothing}\n"
        "      - {at: day 3, told: [{kind: cooled, sequence: 1, cause: contact.updated}]}\n",
        model,
        "small.cases.yaml",
    )
    assert judge(model, case).failures == ()


def test_events_after_the_instant_are_left_out(model: Model) -> None:
    """An event that arrives first may be later than one that arrives after it."""
    text = "cases:\n  - case: a\n    events: [{at: day 2, attributes: {title: ceo}}, {at: day 0, type: session.started}]\n    expect:\n"
    text += "      - {at: day 0, score: 12.3, groups: {fit: 0}}\n      - {at: day 2, groups: {fit: 100}}\n"
    (case,) = parse_cases(text, model, "small.cases.yaml")
    assert judge(model, case).failures == ()


def test_a_failure_is_told_with_its_place_and_the_lines_of_the_score(model: Model) -> None:
    found = verdict(model, "{at: day 1, score: 105, told: nothing}")
    told = list(suite_lines(Suite(model, "small.cases.yaml", [found])))
    assert told == [
        "small version 3: 1 of 1 cases do not hold (small.cases.yaml)",
        "",
        "FAIL a story",
        "  small.cases.yaml:5: at day 1 (2026-01-02T00:00:00.000Z)",
        "    score   expected  105",
        "            was       106.1 (before rounding 106.17)",
        "    told 1  expected  nothing",
        "            was       lead.sales_ready, sequence 1, at 2026-01-02T00:00:00.000Z, cause contact.updated, score 106.1, tier hot",
        "    told until then:",
        "      lead.sales_ready, sequence 1, at 2026-01-02T00:00:00.000Z, cause contact.updated, score 106.1, tier hot",
        "    why the score is what it is (status ready):",
        "                       now  given  times  last (UTC)",
        "        visit         6.17  12.34      1  2026-01-01 00:00  6.17 faded",
        "      = engagement    6.17",
        "        chief       100.00                                  holds now",
        "      = fit         100.00",
        "      = score       106.17                                  shown as 106.1, hot",
        "",
    ]


def test_programs_are_told_the_same(model: Model) -> None:
    found = verdict(model, "{at: day 1, score: 105}")
    told = suite_json(Suite(model, "small.cases.yaml", [found]))
    assert (told["model"], told["version"], told["failed"]) == ("small", 3, 1)
    (case,) = told["cases"]
    (failure,) = case["failures"]
    assert (case["case"], case["holds"], failure["line"], failure["score"]) == ("a story", False, 5, 106.17)
    assert failure["differences"] == [{"what": "score", "expected": "105", "was": "106.1 (before rounding 106.17)"}]
    assert sum(line["points"] for line in failure["lines"]) == pytest.approx(106.17, abs=1e-9)
