"""One contact's story out of a history of many."""

from __future__ import annotations

import json

from worker.cases.outcome import outcome_of
from worker.cases.story import read_story
from worker.replay import replay_lines
from worker.scoring.model_file import parse_model

DAY = 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

MODEL = parse_model("""\
model: m
version: 1
lateness: 10d
rules: [{rule: visit, when: {type: visit}, points: 40}]
inactivity: [{after: 30d, points: -60}]
qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}}
""")


def line(contact: str, day: float, number: int) -> bytes:
    event = {"id": f"{number}", "contact_id": contact, "type": "visit", "occurred_at": START + round(day * DAY)}
    return json.dumps(event).encode()


HISTORY = [
    line(contact, day, number)
    for number, (contact, day) in enumerate(
        [("ann", 0), ("ann", 0.5), ("bob", 3), ("ann", 5), ("bob", 80), ("ann", 4), ("eve", 90), ("bob", 60)]
    )
]


def test_only_events_of_the_contact_count() -> None:
    story = read_story(HISTORY, "bob", None)
    assert (story.events, story.newest_ms, story.refused) == (3, START + 90 * DAY, 0)


def test_later_events_are_left_out() -> None:
    story = read_story(HISTORY, "ann", START + 4 * DAY)
    assert (story.events, story.newest_ms) == (3, START + 4 * DAY)


def test_lines_that_hold_no_event_are_counted_and_passed_over() -> None:
    story = read_story([b"", b"no event\n", *HISTORY], "ann", None)
    assert (story.events, story.refused) == (4, 1)


def test_a_contact_that_never_was_has_no_events() -> None:
    assert read_story(HISTORY, "nobody", None).events == 0


def test_the_story_alone_comes_to_what_the_whole_history_comes_to() -> None:
    """What others did moved time on: an event of the contact that arrives after that is behind its timer."""
    as_of = START + 90 * DAY
    replayed = replay_lines([MODEL], HISTORY, as_of)
    for contact in ("ann", "bob", "eve"):
        outcome = outcome_of(MODEL, read_story(HISTORY, contact, as_of).payloads, contact, as_of)
        (row,) = [one for one in replayed.scores["m"] if one.contact_id == contact]
        told = [json.loads(one) for one in replayed.transitions["m"]]
        assert (outcome.score, outcome.status) == (row.score, row.latch)
        assert [(one["id"], one["at"], one["cause"]) for one in outcome.transitions] == [
            (one["id"], one["at"], one["cause"]) for one in told if one["contact_id"] == contact
        ]


def test_the_events_of_others_matter_by_their_time() -> None:
    """Ann's lead cools on day 35, as all can see once others act on day 80; what then arrives of day 4 makes it ready again."""
    as_of = START + 90 * DAY
    told = outcome_of(MODEL, read_story(HISTORY, "ann", None).payloads, "ann", as_of).transitions
    assert [(one["kind"], one["cause"]) for one in told] == [
        ("lead.sales_ready", "visit"),
        ("lead.cooled", "timer"),
        ("lead.sales_ready", "visit"),
    ]
    alone = [line for line in HISTORY if b'"ann"' in line]
    assert len(outcome_of(MODEL, alone, "ann", as_of).transitions) == 1
