"""The written file: what comes out of strangers' events must neither break it nor change what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import DAY, START, event_value
from worker.fitting.features import Condition, Feature
from worker.fitting.looks import Question, judged_contacts, looks_at
from worker.fitting.running import scores_at
from worker.fitting.sayable import can_say
from worker.fitting.scorecard import Evidence, Line, Scorecard
from worker.fitting.timelines import Scalar, read_timelines
from worker.fitting.writing import Heading, describe, quoted, write_model
from worker.scoring.file.tree import plain, read_tree
from worker.scoring.lint import review_model
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model

HOSTILE = [
    'say "hi"',
    "a: b",
    "- item",
    "# no comment",
    "two\nlines",
    "carriage\rreturn",
    "tab\there",
    "back\\slash \\n",
    "{a: 1}",
    "[1, 2]",
    "*alias &anchor !tag %directive @ `",
    "true",
    "null",
    "~",
    "12",
    "1e3",
    "0x10",
    ".nan",
    " padded ",
    "straße 名前 Ω",
    "🎉 party",
    "line\u2028separator \u0085 \u00a0",
    "nul\x00 bell\x07 del\x7f",
    "bidi \u202e evil \ufeff",
    "'single'",
    "points: 1000000\n  - rule: injected\n    when: {type: x}",
    "'",
    "?",
    "---",
    "...",
]
SEEN = Evidence(having=10, having_won=6, lacking=90, lacking_won=9, contacts=7)


def line(condition: Condition, points: int = 10, form: str = "once", most: int = 1, half_life_ms: int = 0) -> Line:
    return Line(Feature(condition, form, most, half_life_ms), points, points / 28.85, SEEN)  # type: ignore[arg-type]


def written(*lines: Line, threshold: int = 30, notes: tuple[str, ...] = ()) -> str:
    return write_model(Scorecard(lines, -2.0), Heading("small", notes, threshold, 30 * DAY))


def named_value(name: str) -> bytes:
    """Return an event with one property of this name."""
    properties: dict[str, Any] = {name: True}
    return event_value("asked", START, **properties)


def score(model: Model, event: bytes) -> float:
    """Return what the engine makes of one event, a day later."""
    question = Question("won", within_ms=2 * DAY, ages_ms=(DAY,))
    return scores_at(
        model, looks_at(judged_contacts(read_timelines([event]).contacts, question, 0, 1 << 60), question)
    )[0]


def test_a_scorecard_reads_as_an_ordinary_model() -> None:
    text = written(
        line(Condition("demo.requested"), 40),
        line(Condition("page.viewed"), 5, "count", most=3),
        line(Condition("mail.opened"), -6, "recent", most=2, half_life_ms=7 * DAY),
        line(Condition("asked", "amount", at_least=10_000.0), 20),
        line(Condition(None, "title", equals="ceo"), 25, "holds"),
        notes=("small: proposed", ""),
    )
    root, findings = read_tree(text, "small.yaml")
    assert root is not None
    assert not findings
    assert plain(root) == {
        "model": "small",
        "version": 1,
        "score": {"floor": -12, "precision": 0},
        "rules": [
            {"rule": "demo.requested", "when": {"type": "demo.requested"}, "points": 40, "once_per": "contact"},
            {"rule": "title = ceo", "when": {"attributes.title": "ceo"}, "points": 25},
            {
                "rule": "asked: amount at least 10,000",
                "when": {"type": "asked", "properties.amount": {"at_least": 10000}},
                "points": 20,
                "once_per": "contact",
            },
            {"rule": "page.viewed, each up to 3", "when": {"type": "page.viewed"}, "points": 5, "cap": 15},
            {
                "rule": "mail.opened, lately (7d)",
                "when": {"type": "mail.opened"},
                "points": -6,
                "decay": {"half_life": "7d"},
                "cap": 12,
            },
        ],
        "tiers": {"cold": -12, "warm": 10, "hot": 30},
        "qualify": {"when": {"score": {"at_least": 30}}, "rearm": {"score": {"less_than": 10}}},
        "feedback": {
            "sales.rejected": {"reset": ["engagement"], "latch": "open"},
            "sales.recycled": {"reset": ["engagement"], "latch": "open"},
            "sales.won": {"latch": "closed"},
        },
    }


def test_a_written_model_lints_clean() -> None:
    lines = [line(Condition("a"), 40), line(Condition("b"), -12), line(Condition("c"), 4, "count", most=3)]
    assert review_model(written(*lines), "small.yaml") == []


def test_evidence_stands_above_its_rule() -> None:
    text = written(line(Condition("a"), 10))
    assert (
        "# 7 contacts, 10 looks: 60.0% won; without it 10.0% of 90; lift 4.00; coefficient +0.347\n  - rule: a\n"
        in text
    )


def test_points_against_their_own_lift_are_pointed_out() -> None:
    assert "against its own lift" in written(line(Condition("a"), -10), line(Condition("b"), 50))
    assert "against its own lift" not in written(line(Condition("a"), 10))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_types_and_values_reach_the_model_as_they_are_and_nothing_else_does(text: str) -> None:
    lines = (
        line(Condition(text), 10),
        line(Condition("asked", "answer", equals=text), 20),
    )
    model = parse_model(written(*lines, notes=(text,)))
    assert len(model.rules) == 2
    events = [
        event_value(text, START),
        event_value("asked", START, answer=text),
        event_value("asked", START, answer="another"),
    ]
    assert [score(model, event) for event in events] == [10.0, 20.0, 0.0]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_property_whose_name_no_key_may_hold_makes_no_rule_and_any_other_a_rule_that_matches(text: str) -> None:
    name = text.replace(".", "") + "x"
    condition = Condition("asked", name, equals=True)
    if not can_say(condition):
        return
    model = parse_model(written(line(condition, 30)))
    assert [score(model, named_value(key)) for key in (name, "other")] == [30.0, 0.0]


def test_plain_names_can_be_said_and_names_that_nobody_sees_cannot() -> None:
    assert can_say(Condition("asked", "amount_requested", at_least=3.0))
    assert can_say(Condition(None, "firma.größe", equals="klein"))
    assert not can_say(Condition("asked", "a\nb", equals=1))
    assert not can_say(Condition("asked", "p\u0430ge", equals=1))


def test_points_that_never_fade_end_when_the_contact_falls_silent() -> None:
    fading = line(Condition("b"), 3, "recent", half_life_ms=DAY)
    assert parse_model(written(line(Condition("a")))).inactivity[0].after_ms == 120 * DAY
    assert not parse_model(written(line(Condition("a")), fading)).inactivity


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_reads_back_as_itself(text: str) -> None:
    root, findings = read_tree(f"key: {quoted(text)}", "x")
    assert root is not None
    assert not findings
    assert plain(root) == {"key": text}


@pytest.mark.parametrize("value", [True, False, 0, -3, 2.5, 1e-7, 123456789012345, 0.1])
def test_scalars_read_back_as_themselves(value: Scalar) -> None:
    root, _ = read_tree(f"key: {quoted(value)}", "x")
    assert root is not None
    assert json.dumps(plain(root)) == json.dumps({"key": value})


def test_names_that_would_be_equal_are_numbered() -> None:
    text = written(line(Condition("a", "x", equals="b c"), 3), line(Condition("a", "x", equals="B\nC"), 2))
    assert [rule.name for rule in parse_model(text).rules] == ["a: x = b c", "a: x = B C (2)"]


def test_long_values_make_names_of_bounded_length() -> None:
    found = parse_model(
        written(line(Condition("a", "x", equals="long " * 40)), line(Condition("a", "x", equals="long " * 40 + "!")))
    )
    assert [len(rule.name) <= 128 for rule in found.rules] == [True, True]


def test_a_description_is_one_printable_line() -> None:
    for text in HOSTILE:
        assert describe(Feature(Condition(text, "p\n", equals=text), "once")).isprintable()


def test_a_threshold_below_zero_is_written_with_tiers_in_order() -> None:
    model = parse_model(written(line(Condition("a"), 10), line(Condition("b"), -5), threshold=-3))
    assert [tier.threshold for tier in model.tiers] == [-43, -23, -3]
