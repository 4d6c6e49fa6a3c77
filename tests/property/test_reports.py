"""What is reported of a replay, against what a few lines over the bare events say."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import HOUR, START, event_value, rule, small_model
from worker.replay import Terms, batches_of, replay_history
from worker.reports.diff import CHANGES
from worker.reports.outcome import Watcher
from worker.reports.report import Report, make_report
from worker.scoring.model import Model

pytestmark = pytest.mark.property

Step = tuple[int, str, str]
"""Hour, contact, type."""

STEPS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("abcdefg"), st.sampled_from(["act", "act", "act", "won", "other"])),
    max_size=40,
).map(lambda steps: sorted(steps, key=lambda step: step[0]))


def ready_at(acts: int, version: int = 1) -> Model:
    """Return a model under which the act number *acts* makes ready; nothing fades."""
    return small_model(
        rule("act", 10),
        version=version,
        qualify={"when": {"score": {"at_least": 10 * acts}}},
        tiers={"cold": 0, "hot": 30},
    )


def reported(steps: list[Step], this: Model, other: Model) -> Report | None:
    happened = Watcher("won")
    events = [
        event_value(kind, START + hour * HOUR, f"{place}", contact=contact)
        for place, (hour, contact, kind) in enumerate(steps)
    ]
    replays = replay_history([[this], [other]], batches_of([("", events)]), Terms(), watch=happened)
    if replays[0].as_of_ms is None:
        return None
    return make_report([this], replays[0], other=(other, replays[1]), happened=happened)


def hours(steps: list[Step], contact: str, kind: str | None = None) -> list[int]:
    return [hour for hour, name, found in steps if name == contact and kind in {None, found}]


@given(STEPS, st.integers(1, 4))
def test_a_model_is_judged_as_a_count_over_the_events_says(steps: list[Step], acts: int) -> None:
    report = reported(steps, ready_at(acts), ready_at(9, 2))
    verdicts = Counter[str]()
    for contact in {contact for _, contact, _ in steps}:
        ready, won = (
            (hours(steps, contact, "act")[acts - 1 :] or [99])[0],
            min(hours(steps, contact, "won"), default=99),
        )
        verdicts["left out" if won == hours(steps, contact)[0] else f"{ready < won} {won < 99}"] += (
            ready < 99 or won < 99
        )
    if report is None:
        assert not steps
        return
    outcome = report.models[0].outcome
    assert outcome is not None
    hits, alarms, misses = verdicts["True True"], verdicts["True False"], verdicts["False True"]
    assert (outcome.named, outcome.won, outcome.counts["hit"]) == (hits + alarms, hits + misses, hits)
    assert outcome.contacts + verdicts["left out"] == len({contact for _, contact, _ in steps})
    assert outcome.precision == (hits / (hits + alarms) if hits + alarms else None)
    assert outcome.recall == (hits / (hits + misses) if hits + misses else None)


@given(STEPS, st.integers(1, 4), st.integers(1, 4))
def test_every_contact_changes_in_exactly_one_way(steps: list[Step], acts: int, other_acts: int) -> None:
    report = reported(steps, ready_at(acts), ready_at(other_acts, 2))
    if report is None:
        return
    diff = report.diff
    assert diff is not None
    assert sum(diff.counts.values()) == len(diff.lines) == len({contact for _, contact, kind in steps if kind == "act"})
    assert diff.tiers is not None
    assert sum(map(sum, diff.tiers.contacts)) == len(diff.lines)
    expected = dict.fromkeys(CHANGES, 0)
    for contact in {contact for _, contact, kind in steps if kind == "act"}:
        found = hours(steps, contact, "act")
        ready, other = ((found[n - 1 :] or [99])[0] for n in (acts, other_acts))
        if ready == other:
            expected["same" if ready < 99 else "neither"] += 1
        elif 99 in {ready, other}:
            expected["lost" if other == 99 else "gained"] += 1
        else:
            expected["earlier" if other < ready else "later"] += 1
    assert diff.counts == expected


@given(STEPS)
def test_tables_add_up_to_the_scores(steps: list[Step]) -> None:
    """Nothing fades and nothing is clamped: what rules are worth now is the sum of all scores, and bins hold everybody."""
    report = reported(steps, ready_at(1), ready_at(2, 2))
    if report is None:
        return
    for one in (report.models[0], report.other):
        assert one is not None
        assert sum(line.points for line in one.rules) == sum(line.score for line in one.lines)
        assert sum(bar.contacts for bar in one.distribution.bins) + one.distribution.unscored == len(one.lines)
        told = sum(period.ready for period in one.periods)
        assert told == one.kinds["lead.sales_ready"] == len(one.ready)
