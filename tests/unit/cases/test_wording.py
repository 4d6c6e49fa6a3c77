"""Explanations in words: what is printed adds up as printed."""

from __future__ import annotations

import re

import pytest

from tests.support.small import DAY, START, folded, rule, small_model
from worker.cases.wording import apportioned, became, explanation_lines, outlook_lines, printable, when
from worker.scoring.explain import Line, explain
from worker.scoring.next_steps import Gain, Outlook


@pytest.mark.parametrize(
    ("values", "total", "unit", "parts"),
    [
        ([33.333, 33.333, 33.334], 100, 1.0, [33, 33, 34]),
        ([1 / 3, 1 / 3, 1 / 3], 100, 0.01, [34, 33, 33]),
        ([105.0, -5.004], 9999, 0.01, [10500, -501]),
        ([0.6, 0.6, -0.2], 1, 1.0, [1, 0, 0]),
        ([], 0, 1.0, []),
        ([2.0], 2, 1.0, [2]),
    ],
)
def test_roundings_are_spread_so_that_the_parts_add_up(
    values: list[float], total: int, unit: float, parts: list[int]
) -> None:
    assert apportioned(values, total, unit) == parts
    assert sum(parts) == total


def test_printed_lines_add_up_to_the_printed_score() -> None:
    """A sales person has a pencil, not a debugger."""
    model = small_model(
        *(
            rule(name, points, decay={"half_life": f"{days}d"})
            for name, points, days in (("a", 17.3, 9), ("b", -4.1, 5), ("c", 33, 7), ("d", 0.111, 3), ("e", 61.7, 11))
        )
    )
    fold = folded(model, *((name, START + n * DAY) for n, name in enumerate("abcdeabcde")))
    for hours in range(0, 400, 7):
        at_ms = START + 9 * DAY + hours * DAY // 24
        rows = [re.split(r"\s{2,}", line.strip()) for line in explanation_lines(model, explain(model, fold, at_ms))[1:]]
        cents = {row[0]: round(float(row[1]) * 100) for row in rows}
        score = cents.pop("= score")
        assert cents.pop("= engagement") == score
        assert sum(cents.values()) == score


def test_a_table_says_what_became_of_points() -> None:
    model = small_model(
        rule("act", 100, decay={"half_life": "1d"}),
        rule("cap", 30, cap=40),
        groups={"engagement": {"cap": 80}},
        score={"precision": 3},
    )
    fold = folded(model, ("cap", START), ("cap", START), ("act", START))
    assert explanation_lines(model, explain(model, fold, START + DAY)) == [
        "                          now  given  times  last (UTC)",
        "  rule 0               50.000    100      1  2026-01-01 00:00  50 faded",
        "  rule 1               40.000     60      2  2026-01-01 00:00  20 beyond the rule's cap",
        "  engagement: cap 80  -10.000",
        "= engagement           80.000",
        "= score                80.000                                  shown as 80",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (Line("a", "rule", 5, 10, 1, START, faded=5), "5 faded"),
        (Line("a", "rule", -5, -10, 1, START, faded=-5), "5 faded"),
        (Line("a", "rule", 5, 10, 1, START, faded=2, taken=3), "2 faded, 3 taken by idleness"),
        (Line("a", "rule", 15, 10, 1, START, taken=-5), "5 added by idleness"),
        (Line("a", "rule", -15, -10, 1, START, taken=5), "5 added by idleness"),
        (Line("a", "rule", 5, 10, 2, START, faded_or_taken=5), "5 faded or taken by idleness"),
        (Line("a", "pool", 5, 10, 2, START, faded_or_taken=5), "5 drained or taken by idleness"),
        (Line("a", "pool", 5, 10, 2, START, faded=5), "5 drained"),
        (Line("a", "rule", 40, 60, 2, START, capped=20), "20 beyond the rule's cap"),
        (Line("a", "rule", 40, 40.0001, 2, START, faded=0.0001), ""),
        (Line("a", "adjustment", 40, expires_ms=START + DAY), "until 2026-01-02 00:00"),
        (Line("a", "fit", 40, 40), "holds now"),
    ],
)
def test_what_became_of_points_is_said_in_words(line: Line, words: str) -> None:
    assert became(line) == words


@pytest.mark.parametrize(
    ("outlook", "is_ready", "lines"),
    [
        (Outlook((), (), None, START), True, ["If nothing happens it cools at 2026-01-01T00:00:00.000Z."]),
        (Outlook((), (), None, None), True, ["If nothing happens it stays ready."]),
        (
            Outlook(
                (Gain("pricing page", 15, 105, makes_ready=True), Gain("visit", 5, 95, makes_ready=False)),
                (),
                None,
                None,
            ),
            False,
            ["This would make it ready now:", "  pricing page  +15, to 105"],
        ),
        (
            Outlook(
                (Gain("visit", 5, 95, makes_ready=False), Gain("open", 0.5, 90.5, makes_ready=False)), (), None, None
            ),
            False,
            [
                "No single event would make it ready now. The largest gains:",
                "  visit  +5, to 95",
                "  open   +0.5, to 90.5",
            ],
        ),
        (
            Outlook((), ("attributes.email",), None, None),
            False,
            ["held: needs attributes.email; the event that brings it makes it ready."],
        ),
        (
            Outlook((), (), "closed: never again", None),
            False,
            ["closed: never again", "No single event would raise its score now."],
        ),
    ],
)
def test_what_comes_next_is_said_in_sentences(outlook: Outlook, is_ready: bool, lines: list[str]) -> None:
    assert outlook_lines(outlook, is_ready=is_ready) == lines


def test_instants_are_as_short_as_they_can_be() -> None:
    assert [when(START), when(START + 1_000), when(START + 1), when(None)] == [
        "2026-01-01 00:00",
        "2026-01-01 00:00:01",
        "2026-01-01 00:00:00.001",
        "",
    ]


def test_what_strangers_write_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"
