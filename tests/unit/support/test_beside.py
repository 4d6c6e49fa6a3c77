"""The benchmark's truth: worked by hand, and agreed on by three readings that share no code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest

from tests.support.beside.contenders import BARE
from tests.support.beside.events import REPEATED_WITHIN_MS, Backlog
from tests.support.beside.oracle import Cooled, Ready, Truth, truth_of
from tests.support.beside.reading import Told
from tests.support.beside.rules import State, apply_event, new_state
from tests.support.beside.tables import by_floor, least_ratio, slopes
from tests.support.beside.truth import OracleVerdict
from worker.contracts.instants import MS_PER_DAY, MS_PER_HOUR, parse_instant
from worker.replay import replay_lines
from worker.scoring.model_file import load_model

MONDAY_MS = parse_instant("2025-09-01T00:00:00Z")
LONG_AFTER_MS = MONDAY_MS + 1_000 * MS_PER_DAY
EVENTS = 5_000


def line(kind: str, at_ms: int, event_id: str | None = None, **properties: str) -> bytes:
    properties = {"path": "/", **properties}
    event_id = event_id or f"{kind} {at_ms} {sorted(properties.items())}"
    return orjson.dumps(
        {"id": event_id, "contact_id": "c", "type": kind, "occurred_at": at_ms, "properties": properties}
    )


def scores_of(*lines: bytes) -> list[float]:
    """Return the score at each time that the contact became ready."""
    return [round(score, 6) for score in truth_of(lines, LONG_AFTER_MS).ready.values()]


def forms(count: int, at_ms: int = MONDAY_MS) -> list[bytes]:
    return [line("form.submitted", at_ms, form_id=str(number)) for number in range(count)]


# --- The oracle, worked by hand ---------------------------------------------------------------------------------------


def test_hundred_points_that_halve_in_14_days_are_less_than_80_after_389405_seconds() -> None:
    """14 days x log2(100 / 80) = 389,404.2 s."""
    truth = truth_of([line("demo.requested", MONDAY_MS)], LONG_AFTER_MS)
    assert truth.cooled == {Cooled("c", MONDAY_MS + 389_405_000, "timer"): 1}


def test_lead_that_cools_after_the_end_has_not_cooled() -> None:
    assert not truth_of([line("demo.requested", MONDAY_MS)], MONDAY_MS + 389_404_000).cooled


def test_half_of_a_demo_is_left_when_the_next_is_asked_for_14_days_later() -> None:
    demos = [line("demo.requested", MONDAY_MS), line("demo.requested", MONDAY_MS + 14 * MS_PER_DAY)]
    assert scores_of(*demos) == [100.0, 150.0]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([*forms(4), line("form.submitted", MONDAY_MS, "another", form_id="0"), line("email.replied", MONDAY_MS)], []),
        ([*forms(4), line("asset.downloaded", MONDAY_MS, asset_id="0")], [100.0]),
        ([*forms(3), line("webinar.attended", MONDAY_MS, webinar_id="w"), line("newsletter.subscribed", MONDAY_MS)], [100.0]),
        ([*forms(4), *[line("email.clicked", MONDAY_MS, str(n)) for n in range(4)]], [100.0]),
        ([*forms(4), *[line("session.started", MONDAY_MS, str(n)) for n in range(9)], line("email.replied", MONDAY_MS)], []),
        ([*forms(4), *[line("page.viewed", MONDAY_MS, str(n), path="/pricing") for n in range(4)]], []),
        ([*forms(4), *[line("page.viewed", MONDAY_MS, str(n), path="/pricing") for n in range(5)]], [100.0]),
        ([*forms(4), line("email.unsubscribed", MONDAY_MS), line("demo.requested", MONDAY_MS)], [130.0]),
    ],
    ids=["form-once", "download", "webinar", "clicks", "visit-a-day", "pricing-a-week", "pages", "unsubscribed"],
)  # fmt: skip
def test_points_are_those_of_the_rules(events: Sequence[bytes], expected: Sequence[float]) -> None:
    assert scores_of(*events) == expected


def test_pricing_page_counts_again_on_monday() -> None:
    sunday_ms = MONDAY_MS + 6 * MS_PER_DAY
    viewed = [
        line("page.viewed", sunday_ms, path="/pricing"),
        line("page.viewed", sunday_ms + MS_PER_DAY, path="/pricing"),
    ]
    # 80 + 16 x 2^(-1/14) + 16 = 111.23; without the second 15 it would stay below 100.
    assert scores_of(*forms(4, sunday_ms), *viewed) == [round(80 + 16 * 2 ** (-1 / 14) + 16, 6)]


def test_repeat_is_no_event() -> None:
    demo = line("demo.requested", MONDAY_MS)
    truth = truth_of([demo, demo], LONG_AFTER_MS)
    assert (len(truth.ready), truth.duplicates) == (1, 1)


def test_faded_penalty_makes_nobody_ready_but_the_next_good_sign_does() -> None:
    """Five forms are 100; two unsubscriptions hold that down until they have faded, and only the visit then is told."""
    events = [
        *forms(5),
        line("email.unsubscribed", MONDAY_MS),
        line("email.unsubscribed", MONDAY_MS + MS_PER_HOUR),
        line("session.started", MONDAY_MS + 2 * MS_PER_HOUR),
        line("session.started", MONDAY_MS + 200 * MS_PER_DAY),
    ]
    truth = truth_of(events, LONG_AFTER_MS)
    assert [ready.at_ms for ready in truth.ready] == [MONDAY_MS, MONDAY_MS + 200 * MS_PER_DAY]
    assert truth.cooled == {Cooled("c", MONDAY_MS, "email.unsubscribed"): 1}


# --- Three readings of one stream -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backlog(tmp_path_factory: pytest.TempPathFactory) -> Backlog:
    return Backlog(tmp_path_factory.mktemp("beside") / "events.jsonl", EVENTS, 3 * MS_PER_DAY)


@pytest.fixture(scope="module")
def truth(backlog: Backlog) -> Truth:
    return truth_of(backlog.lines(), backlog.until_ms - load_model(str(BARE)).lateness_ms)


def told_of(values: Sequence[bytes]) -> list[Told]:
    return [Told(orjson.loads(value)["contact_id"].encode(), value, 0, 0.0) for value in values]


def test_model_of_the_worker_tells_what_the_oracle_says(backlog: Backlog, truth: Truth) -> None:
    lines = [*backlog.lines(), *(closing.value for closing in backlog.closing)]
    told = told_of(replay_lines([load_model(str(BARE))], lines).transitions["bare"])
    assert len(truth.ready) > 20
    assert truth.cooled.total() > 5
    assert truth.duplicates > 20
    assert OracleVerdict(truth, tells_transitions=True).faults(told) == []


def test_rules_written_by_hand_tell_what_the_oracle_says(backlog: Backlog, truth: Truth) -> None:
    assert OracleVerdict(truth, tells_transitions=False).faults(told_of(by_hand(backlog))) == []


def by_hand(backlog: Backlog) -> list[bytes]:
    states: dict[str, State] = {}
    told = []
    for value in backlog.lines():
        event = orjson.loads(value)
        score = apply_event(states.setdefault(event["contact_id"], new_state()), event)
        if score is not None and score is not False:
            ready = Ready(event["contact_id"], event["id"], event["occurred_at"])
            told.append(
                orjson.dumps({"contact_id": ready.contact, "event_id": ready.event, "at": ready.at_ms, "score": score})
            )
    return told


def test_verdict_sees_what_is_missing_repeated_or_scored_otherwise(backlog: Backlog, truth: Truth) -> None:
    verdict = OracleVerdict(truth, tells_transitions=False)
    first, *others = by_hand(backlog)
    (missing,) = verdict.faults(told_of(others))
    (repeated,) = verdict.faults(told_of([first, first, *others]))
    (otherwise,) = verdict.faults(told_of([orjson.dumps(orjson.loads(first) | {"score": 100.001}), *others]))
    assert "1 missing" in missing
    assert "1 too many" in repeated
    assert "100.001 instead of 100" in otherwise


def test_stream_is_in_order_but_for_repeats_which_come_soon(backlog: Backlog) -> None:
    newest_ms, seen, repeats = 0, set(), 0
    for value in backlog.lines():
        event = orjson.loads(value)
        if event["id"] in seen:
            repeats += 1
            assert newest_ms - event["occurred_at"] <= REPEATED_WITHIN_MS
        else:
            assert event["occurred_at"] >= newest_ms
            assert event["occurred_at"] % 1000 == 0
        seen.add(event["id"])
        newest_ms = max(newest_ms, event["occurred_at"])
    assert repeats > 20


def test_no_contact_has_two_events_of_one_instant(backlog: Backlog) -> None:
    """Such a pair is put in order by its ids, which only the worker does."""
    instants: dict[str, dict[str, int]] = {}
    for value in backlog.lines():
        event = orjson.loads(value)
        instants.setdefault(event["contact_id"], {})[event["id"]] = event["occurred_at"]
    for of_contact in instants.values():
        assert all(before < after for before, after in pairwise(of_contact.values()))


# --- What is made of the figures --------------------------------------------------------------------------------------


def run(contender: str, events: int, us: float, rate: float = 1.0, pair: int = 0) -> dict[str, Any]:
    return {"contender": contender, "events": events, "us": us, "rate": rate, "pair": pair}


def test_slope_is_what_the_events_between_two_sizes_have_cost() -> None:
    """1,000 events at 30 us and 3,000 at 20 us: 60 ms - 30 ms over 2,000 events; 2 s - 1 s over 2,000 events."""
    ((us, rate),) = slopes([run("a", 1_000, 30.0, 1_000.0), run("a", 3_000, 20.0, 1_500.0)])["a"]
    assert us == pytest.approx(15.0)
    assert rate == pytest.approx(2_000.0)


def test_one_size_has_no_slope() -> None:
    assert slopes([run("a", 1_000, 30.0)]) == {}


def test_ratio_to_the_floor_is_the_median_over_the_turns_of_one_size() -> None:
    lines = [
        *(run("floor", 1_000, 10.0, pair=pair) for pair in range(3)),
        *(run("a", 1_000, us, pair=pair) for pair, us in enumerate((20.0, 90.0, 30.0))),
        run("a", 3_000, 1.0),
    ]
    assert by_floor(lines)["a", 1_000] == pytest.approx(3.0)
    assert ("a", 3_000) not in by_floor(lines)


def test_least_ratio_takes_the_cheapest_turn_of_each() -> None:
    lines = [
        run("a", 1, 40.0),
        run("a", 1, 30.0),
        run("b", 1, 10.0),
        run("b", 1, 15.0),
        {"contender": "a", "refused": "wrong"},
    ]
    assert least_ratio(lines, "a", "b") == pytest.approx(3.0)
