"""The slow reading of what sales is told, held to stories worked out by hand; day 0 is a Thursday in 2026."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.naive import naive_replay
from tests.support.naive.contact import Contact
from tests.support.naive.events import read_event

Json = dict[str, Any]
Story = list[tuple[str, int, str, int]]
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z, a Thursday."""


def model(*rules: Json, **parts: Any) -> Json:
    """A model of *rules*; `act` gives 100 where there are none."""
    written = rules or ({"when": {"type": "act"}, "points": 100},)
    named = [{"rule": f"rule {number}", **one} for number, one in enumerate(written)]
    return {"model": "m", "version": 1, "rules": named, **parts}


def event(at: int, kind: str = "act", name: str = "", /, **properties: Any) -> Json:
    """An event of contact `c` *at* ms after the start."""
    identity = name or f"{kind} {at}"
    return {"id": identity, "contact_id": "c", "type": kind, "occurred_at": START + at, "properties": properties}


def known(at: int, **attributes: Any) -> Json:
    """What becomes known of the contact *at* ms after the start."""
    return event(at, "contact.updated", **attributes)


def story(told: Json, events: list[Json], later: int, **options: Any) -> Story:
    """What was told up to *later* ms after the start: kind, number, cause, ms after the start."""
    transitions = naive_replay(told, events, START + later, **options).transitions
    transitions.sort(key=lambda one: one["at"])
    return [
        (one["kind"].removeprefix("lead."), one["sequence"], one["cause"], one["at"] - START) for one in transitions
    ]


AT_100 = {"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 50}}}
PLAIN = model(qualify=AT_100, feedback={"sales.rejected": {"latch": "open"}, "sales.won": {"latch": "closed"}})
NEEDS_MAIL = model(
    qualify={**AT_100, "require": ["attributes.email"], "include": ["attributes.email", "attributes.f.n"]}
)
NOT_US = model(qualify={**AT_100, "exclude": {"attributes.email": {"ends_with": "@us.example"}}})
WEBINAR = model(
    {"when": {"type": "webinar"}, "points": 30},
    {"when": {"type": "act"}, "points": 1},
    {"when": {"type": "leave"}, "reset": ["engagement"]},
    qualify={"when": {"seen": {"rule": "rule 0", "times": 2, "within": "1d"}}},
)
CEO = model(
    {"when": {"attributes.title": "ceo"}, "points": 60, "group": "fit"},
    {"when": {"type": "act"}, "points": 40},
    groups={"fit": {}},
    qualify={"when": {"score": {"at_least": 100}, "groups.engagement": {"more_than": 0}}},
)
FADING = {"decay": {"percent": {"rate": "50%", "every": "1d"}}}

STORIES: dict[str, tuple[Json, list[Json], int, Story]] = {
    "a held lead is told when the data comes": (
        NEEDS_MAIL,
        [event(0), known(1, email=""), known(2, email="a@b.example")],
        2,
        [("sales_ready", 1, "contact.updated", 2)],
    ),
    "data alone wakes no lead that sales has handed back": (
        PLAIN,
        [event(0), event(1, "sales.rejected"), known(2, any=1), event(3)],
        3,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "sales.rejected", 1), ("sales_ready", 2, "act", 3)],
    ),
    "who is excluded is not told": (
        NOT_US,
        [known(0, email="boss@US.example"), event(1), known(2, email="boss@them.example")],
        2,
        [("sales_ready", 1, "contact.updated", 2)],
    ),
    "who is excluded later stays ready": (
        NOT_US,
        [event(1), known(2, email="boss@us.example")],
        2,
        [("sales_ready", 1, "act", 1)],
    ),
    "points by hand make ready": (
        PLAIN,
        [event(0, "score.adjusted", reason="call", points=100)],
        0,
        [("sales_ready", 1, "score.adjusted", 0)],
    ),
    "a penalty by hand makes nobody ready": (
        model({"when": {"type": "sales.won"}, "points": 300}, qualify=AT_100),
        [
            event(0, "sales.won"),
            event(1, "score.adjusted", reason="call", points=-5),
            event(2, "score.adjusted", points=0),
        ],
        2,
        [("sales_ready", 1, "score.adjusted", 2)],
    ),
    "points by hand cool at the very ms at which they expire": (
        PLAIN,
        [event(0, "score.adjusted", reason="call", points=100, expires_at=START + 86_400_007)],
        9 * DAY,
        [("sales_ready", 1, "score.adjusted", 0), ("cooled", 1, "timer", DAY + 7)],
    ),
    "percent cools at midnight": (
        model({"when": {"type": "act"}, "points": 100, **FADING}, qualify=AT_100),
        [event(10 * HOUR)],
        9 * DAY,
        [("sales_ready", 1, "act", 10 * HOUR), ("cooled", 1, "timer", 2 * DAY)],
    ),
    # buckets of half a day: 100 * (1 - 6 / 10) at the start of the sixth day
    "linear cools at the start of a bucket": (
        model({"when": {"type": "act"}, "points": 100, "decay": {"linear": "10d"}}, qualify=AT_100),
        [event(10 * HOUR)],
        9 * DAY,
        [("sales_ready", 1, "act", 10 * HOUR), ("cooled", 1, "timer", 5 * DAY + 12 * HOUR)],
    ),
    "a pool cools at a step": (
        model(
            {"when": {"type": "act"}, "points": 100, "group": "basics"},
            groups={"basics": {"drain": {"points": 20, "every": "1h"}}},
            qualify=AT_100,
        ),
        [event(30 * MINUTE)],
        DAY,
        [("sales_ready", 1, "act", 30 * MINUTE), ("cooled", 1, "timer", 3 * HOUR)],
    ),
    "what was seen leaves at its own ms": (
        WEBINAR,
        [event(3, "webinar"), event(HOUR + 3, "webinar")],
        9 * DAY,
        [("sales_ready", 1, "webinar", HOUR + 3), ("cooled", 1, "timer", DAY + 3)],
    ),
    "what was seen twice is seen no more after a reset": (
        WEBINAR,
        [event(0, "webinar"), event(1, "leave"), event(2, "webinar"), event(3, "webinar")],
        3,
        [("sales_ready", 1, "webinar", 3)],
    ),
    "an attribute and a sign of interest together": (
        CEO,
        [known(0, title="ceo"), event(1)],
        1,
        [("sales_ready", 1, "act", 1)],
    ),
    "the sign of interest first": (
        CEO,
        [event(0), known(1, title="CEO")],
        1,
        [("sales_ready", 1, "contact.updated", 1)],
    ),
    "a lead cools when its attribute goes": (
        CEO,
        [known(0, title="ceo"), event(1), known(2, title="clerk")],
        2,
        [("sales_ready", 1, "act", 1), ("cooled", 1, "contact.updated", 2)],
    ),
    "fit alone is no interest": (
        model(
            {"when": {"attributes.a": 1}, "points": 100, "group": "fit"},
            {"when": {"type": "act"}, "points": 0},
            groups={"fit": {}},
            qualify={"when": {"groups.engagement": {"more_than": 0}}},
        ),
        [known(0, a=1), event(1)],
        1,
        [],
    ),
    "an erasure takes a ready lead back and what came before it with it": (
        PLAIN,
        [event(0), event(5, "contact.erased"), event(5, "act", "tie"), event(4, "act", "old"), event(6)],
        6,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "contact.erased", 5), ("sales_ready", 1, "act", 6)],
    ),
    "what came after a late erasure stays, and is told at the next event only": (
        PLAIN,
        [event(0), event(7), event(5, "contact.erased"), event(9, "act", "z")],
        9,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "contact.erased", 7), ("sales_ready", 1, "act", 9)],
    ),
    "an erasure under a known id erases": (
        PLAIN,
        [event(0, "act", "a"), event(5, "contact.erased", "a")],
        5,
        [("sales_ready", 1, "act", 0), ("cooled", 1, "contact.erased", 5)],
    ),
    "a second erasure that is no newer does nothing": (
        PLAIN,
        [event(5, "contact.erased", "a"), event(6), event(5, "contact.erased", "b"), event(4, "contact.erased", "c")],
        6,
        [("sales_ready", 1, "act", 6)],
    ),
}


@pytest.mark.parametrize("case", STORIES)
def test_sales_is_told_what_the_story_says(case: str) -> None:
    told, events, later, expected = STORIES[case]
    assert story(told, events, later) == expected


def test_changes_of_tier_have_a_number_of_their_own() -> None:
    told = model(
        {"when": {"type": "act"}, "points": 60, **FADING}, qualify=AT_100, tiers={"cold": 0, "warm": 25, "hot": 50}
    )
    assert story(told, [event(0), event(1)], 9 * DAY, publish_tiers=True) == [
        ("tier_changed", 1, "act", 0),
        ("sales_ready", 1, "act", 1),
        # 120, 60, 30, 15
        ("cooled", 1, "timer", 2 * DAY),
        ("tier_changed", 2, "timer", 2 * DAY),
        ("tier_changed", 3, "timer", 3 * DAY),
    ]


def test_no_tier_is_told_between_an_erasure_and_the_next_event() -> None:
    told = model({"when": {"type": "act"}, "points": 60, **FADING}, tiers={"cold": 0, "warm": 20, "hot": 50})
    events = [event(1), event(0, "contact.erased")]
    assert story(told, events, 9 * DAY, publish_tiers=True) == [("tier_changed", 1, "act", 1)]
    events.append(event(DAY, "sales.won"))
    assert story(told, events, 9 * DAY, publish_tiers=True)[1:] == [
        ("tier_changed", 1, "sales.won", DAY),
        ("tier_changed", 2, "timer", 2 * DAY),
    ]


def test_a_lead_that_was_kept_back_cools_in_silence() -> None:
    told = model({"when": {"type": "act"}, "points": 100, **FADING}, qualify=AT_100)
    events = [event(1), event(5 * DAY)]
    assert story(told, events, 9 * DAY, emit_since=START + 2 * DAY) == [
        ("sales_ready", 2, "act", 5 * DAY),
        ("cooled", 2, "timer", 7 * DAY),
    ]
    counts = naive_replay(told, events, START + 9 * DAY, emit_since=START + 2 * DAY).counts
    assert (counts["kept_back", ""], counts["transitions", "lead.cooled"]) == (2, 1)


def test_a_lead_that_was_told_cools_aloud_before_the_instant_of_silence() -> None:
    told = model({"when": {"type": "act"}, "points": 100, **FADING}, qualify=AT_100)
    assert story(told, [event(1)], 9 * DAY, emit_since=START + 1)[1:] == [("cooled", 1, "timer", 2 * DAY)]


def test_a_lead_that_only_lacks_data_is_held() -> None:
    assert naive_replay(NEEDS_MAIL, [event(0)]).statuses == {"c": "held"}
    assert naive_replay(NEEDS_MAIL, [known(0, email="x")]).statuses == {"c": "open"}
    assert naive_replay(NEEDS_MAIL, [event(0)]).rows[0]["latch"] == "open"


def test_included_attributes_are_copied_and_null_when_missing() -> None:
    (ready,) = naive_replay(NEEDS_MAIL, [known(0, email="a@b.example"), event(1)]).transitions
    assert ready["attributes"] == {"email": "a@b.example", "f.n": None}


def test_an_erasure_tells_no_score_and_leaves_no_row() -> None:
    replayed = naive_replay(PLAIN, [event(0), event(5, "contact.erased")])
    assert (replayed.rows, replayed.statuses) == ([], {})
    cooled = replayed.transitions[0]
    assert (cooled["epoch"], cooled["score"], cooled["tier"]) == (0, None, None)
    again = naive_replay(PLAIN, [event(0), event(5, "contact.erased"), event(6)])
    assert [one["epoch"] for one in again.transitions] == [0, 0, START + 5]


def test_a_late_erasure_deletes_the_whole_base() -> None:
    """An event that has left the window goes with the base, though it is newer than the erasure."""
    told = model({"when": {"type": "act"}, "points": 1}, lateness="1d")
    events = [event(0), event(HOUR), event(3 * DAY), event(3 * DAY + 1), event(1, "contact.erased")]
    assert naive_replay(told, events).rows[0]["score"] == 2.0


def test_attributes_beyond_64_kib_leave_the_window() -> None:
    told = model({"when": {"attributes.bio": {"exists": True}}, "points": 1})
    contact = Contact(told, "c")
    for number in range(70):
        contact.receive(read_event(known(number, bio="x" * 1_022)), 0)
    assert (len(contact.journal), contact.counts["overflowed", ""]) == (64, 6)
