from __future__ import annotations

import pytest

from tests.support.small import DAY, HOUR, START, event_value, rule, small_model
from worker.replay import Terms, batches_of, replay_history
from worker.reports.outcome import Outcome, OutcomeLine, Watcher, judge
from worker.reports.report import make_report

MODEL = small_model(rule("act", 100), rule("peek", 1), qualify={"when": {"score": {"at_least": 50}}})


def judged(*events: bytes, as_of_ms: int | None = None) -> Outcome:
    happened = Watcher("won")
    (replay,) = replay_history([[MODEL]], batches_of([("", events)]), Terms(as_of_ms), watch=happened)
    outcome = make_report([MODEL], replay, happened=happened).models[0].outcome
    assert outcome is not None
    return outcome


def history(contact: str, *steps: tuple[str, float]) -> list[bytes]:
    """Return events of *contact*: type and day."""
    return [event_value(one, START + round(day * DAY), contact=contact) for one, day in steps]


def verdict(*steps: tuple[str, float]) -> OutcomeLine:
    (line,) = judged(*history("c", *steps)).lines
    return line


@pytest.mark.parametrize(
    ("expected", "steps"),
    [
        ("hit", [("act", 0), ("won", 1)]),
        ("hit", [("act", 0), ("won", 1), ("won", 2), ("act", 3)]),
        ("false_alarm", [("act", 0)]),
        ("passed_over", [("peek", 0)]),
        ("passed_over", [("unknown to the model", 0)]),
        ("missed", [("peek", 0), ("won", 1)]),
        ("too_late", [("peek", 0), ("won", 1), ("act", 2)]),
        ("too_late", [("peek", 0), ("won", 1), ("act", 1)]),
        ("too_late", [("peek", 0), ("act", 1), ("won", 1)]),
        ("already_won", [("won", 0), ("act", 1)]),
        ("already_won", [("won", 0)]),
        ("already_won", [("act", 0), ("won", 0)]),
    ],
)
def test_a_contact_is_judged_by_what_was_known_before(expected: str, steps: list[tuple[str, float]]) -> None:
    """If this fails, a model is praised for what it was told."""
    assert verdict(*steps).verdict == expected


def test_a_sign_that_arrives_after_the_outcome_predicts_nothing_though_it_happened_before() -> None:
    assert verdict(("peek", 0), ("won", 2), ("act", 1)).verdict == "too_late"


def test_the_first_outcome_counts_in_whatever_order_they_arrive() -> None:
    line = verdict(("peek", 0), ("act", 1), ("won", 5), ("won", 3))
    assert (line.verdict, line.won_ms, line.lead_ms) == ("hit", START + 3 * DAY, 2 * DAY)


def test_events_after_the_instant_read_at_are_not_known() -> None:
    outcome = judged(*history("c", ("act", 0), ("won", 2)), as_of_ms=START + DAY)
    assert outcome.counts["false_alarm"] == 1


def ten_contacts() -> list[bytes]:
    """3 hits after 1, 2 and 6 days, 1 false alarm, 1 missed, 1 too late, 2 passed over, 2 already won."""
    events = []
    for number, days in enumerate((1, 2, 6)):
        events += history(f"hit {number}", ("act", 0), ("won", days))
    events += history("false alarm", ("act", 0))
    events += history("missed", ("peek", 0), ("won", 1))
    events += history("too late", ("peek", 0), ("won", 1), ("act", 2))
    events += history("quiet 1", ("peek", 0))
    events += history("quiet 2", ("other", 0))
    events += history("customer 1", ("won", 0), ("act", 1))
    events += history("customer 2", ("won", 0))
    return events


def test_ratios_are_those_of_a_worked_history() -> None:
    """Of 8 judged 5 came to it; of 4 named 3 did; so lift is (3/4)/(5/8)."""
    outcome = judged(*ten_contacts())
    assert (outcome.contacts, outcome.won, outcome.named) == (8, 5, 4)
    assert outcome.counts == {
        "hit": 3, "false_alarm": 1, "too_late": 1, "missed": 1, "passed_over": 2, "already_won": 2,
    }  # fmt: skip
    assert (outcome.base_rate, outcome.precision, outcome.recall) == (5 / 8, 3 / 4, 3 / 5)
    assert outcome.lift == pytest.approx(1.2)
    assert outcome.lead_ms == (1.5 * DAY, 2 * DAY, 4 * DAY)


def test_one_lead_time_is_all_of_its_quartiles() -> None:
    assert judged(*history("c", ("act", 0), ("won", 3))).lead_ms == (3 * DAY, 3 * DAY, 3 * DAY)


def test_what_would_divide_by_nothing_is_none() -> None:
    nobody_named = judged(*history("c", ("peek", 0), ("won", 1)))
    assert (nobody_named.precision, nobody_named.lift, nobody_named.lead_ms) == (None, None, None)
    nobody_won = judged(*history("c", ("act", 0)))
    assert (nobody_won.recall, nobody_won.lift, nobody_won.precision) == (None, None, 0.0)
    nobody_judged = judged(*history("c", ("won", 0)))
    assert (nobody_judged.contacts, nobody_judged.base_rate) == (0, None)


def test_erased_contacts_are_counted_and_nowhere_named() -> None:
    outcome = judged(*history("gone", ("act", 0), ("contact.erased", 1), ("won", 2)), *history("c", ("act", 0)))
    assert outcome.erased == 1
    assert [line.contact_id for line in outcome.lines] == ["c"]


def test_lines_that_hold_no_event_and_repeats_change_nothing() -> None:
    once = judged(*ten_contacts())
    twice = judged(*(line for line in ten_contacts() for _ in range(2)), b"no event", b"{}")
    assert twice == once


def test_types_seen_are_remembered_to_name_what_was_meant() -> None:
    happened = Watcher("sales.own")
    replay_history([[MODEL]], batches_of([("", history("c", ("act", 0), ("sales.won", 1)))]), Terms(), watch=happened)
    assert happened.types == {"act", "sales.won"}
    assert judge(happened, {}, ()).won == 0


def test_time_of_an_event_that_lies_ahead_of_its_record_is_that_of_the_record() -> None:
    """A producer whose clock is ahead must not make an outcome late."""
    from worker.replay import Line

    happened = Watcher("won")
    lines = [
        Line(0, event_value("act"), START),
        Line(1, event_value("won", START + 9 * DAY), START + HOUR),
    ]
    replay_history([[MODEL]], [lines], Terms(max_skew_ms=300_000), watch=happened)
    assert happened.contacts["c"].won_ms == START + HOUR
