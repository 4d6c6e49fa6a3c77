"""Fitting as a whole, on a history whose winners are known; needs scikit-learn."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.small import DAY, START
from tests.support.small_history import lines_of, need_regression, visitors
from worker.fitting.judgement import COUNT, UNROUNDED, Slice, judge
from worker.fitting.looks import Question
from worker.fitting.problems import NothingToLearnError
from worker.fitting.proposal import Plan, Proposal, fold_of_looks, propose_model
from worker.fitting.regression import create_table
from worker.fitting.report import figures, grids, judgement_notes
from worker.fitting.threshold import Target
from worker.fitting.timelines import read_timelines
from worker.scoring.lint import review_model
from worker.scoring.model_file import parse_model

QUESTION = Question("account.activated", frozenset({"contract.signed"}), within_ms=14 * DAY, ages_ms=(DAY, 5 * DAY))
UNTIL = START + 60 * DAY
PLAN = Plan(QUESTION, UNTIL, Target(volume=0.2), name="visitors", max_rules=6)
HISTORY = visitors(1_200)


@pytest.fixture(scope="module")
def proposal() -> Proposal:
    need_regression()
    return propose_model(read_timelines(lines_of(HISTORY)), PLAN)


def test_what_makes_winners_gets_the_points(proposal: Proposal) -> None:
    best = max(proposal.scorecard.lines, key=lambda line: line.points)
    assert best.feature.condition.type == "demo.requested"
    # Odds of 4 to 1 with a demo, 1 to 9 without: 36 times as high, 5.2 doublings, some of it lost as demos come late.
    assert 60 <= best.points <= 115
    assert all(
        abs(line.points) * line.feature.most < best.points / 2 for line in proposal.scorecard.lines if line is not best
    )


def test_the_proposal_is_an_ordinary_model(proposal: Proposal) -> None:
    text = proposal.text(["judged: not yet"])
    assert [one for one in review_model(text, "visitors.yaml") if one.code != "model.no_negative_signals"] == []
    assert parse_model(text).digest == parse_model(proposal.text()).digest  # what stands in comments is no part of it
    assert 0.1 < proposal.share < 0.4
    assert len(proposal.scorecard.lines) <= 6


def test_the_outcome_and_its_precursor_make_no_rules(proposal: Proposal) -> None:
    named = {line.feature.condition.type for line in proposal.scorecard.lines}
    assert not named & {"contract.signed", "account.activated"}


def test_equal_input_gives_equal_text(proposal: Proposal) -> None:
    shuffled = list(reversed(lines_of(HISTORY)))
    assert propose_model(read_timelines(shuffled), PLAN).text() == proposal.text()


def test_nothing_after_the_time_of_learning_is_learned_from(proposal: Proposal) -> None:
    """If this fails, a model is judged on answers that it has seen."""
    known = [line for line in lines_of(HISTORY) if json.loads(line)["occurred_at"] <= UNTIL]
    assert len(known) < len(lines_of(HISTORY))
    assert propose_model(read_timelines(known), PLAN).text() == proposal.text()


def test_what_happens_after_it_is_certain_is_not_learned_from(proposal: Proposal) -> None:
    """Only winners get a welcome parcel; a rule on it would be perfect and useless."""
    lines = lines_of(HISTORY)
    parcels = []
    for line in lines:
        event = json.loads(line)
        if event["type"] == "contract.signed":
            later = event["occurred_at"] + 1
            parcels.append(json.dumps(event | {"id": "parcel", "type": "parcel.sent", "occurred_at": later}).encode())
    assert parcels
    assert propose_model(read_timelines(lines + parcels), PLAN).text() == proposal.text()


def test_it_is_judged_on_later_contacts_beside_baselines(proposal: Proposal) -> None:
    timelines = read_timelines(lines_of(HISTORY))
    model = parse_model(proposal.text())
    part = Slice(UNTIL, timelines.last_ms, 0.2, draws=50)
    found = judge(timelines, proposal, {"visitors": model}, part)
    later = [one for one in HISTORY if START + json.loads(one.lines[0])["occurred_at"] >= START + UNTIL]
    known = [one for one in later if json.loads(one.lines[0])["occurred_at"] + 14 * DAY <= timelines.last_ms]
    assert (found.contacts, found.won) == (len(known), sum(one.wins for one in known))
    assert [(one.age_ms, one.only_open) for one in found.at_ages] == [(DAY, True), (5 * DAY, True)]
    last = found.at_ages[1].standings
    assert last["visitors"].quality.precision > 0.7
    assert last["visitors"].quality.auc > last[COUNT].quality.auc + 0.05
    assert last["visitors"].quality.auc == pytest.approx(last[UNROUNDED].quality.auc, abs=0.02)
    assert 0 < found.operated["visitors"].right <= found.operated["visitors"].told <= found.contacts
    assert [len(grid.rows[0]) == len(grid.heads) for grid in grids(found, 0.2)] == [True] * len(grids(found, 0.2))
    assert json.loads(json.dumps(figures(found)))["contacts"] == found.contacts
    assert judgement_notes(found, 0.2, "2026-03-02")[0].startswith(f"judged     on {found.contacts} later contacts")


def test_a_precision_that_is_asked_for_is_reached_on_what_was_learned_from() -> None:
    need_regression()
    proposal = propose_model(read_timelines(lines_of(HISTORY)), replace(PLAN, target=Target(precision=0.6)))
    assert proposal.threshold <= proposal.scorecard.highest


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (
            replace(PLAN, question=replace(QUESTION, outcome="activated")),
            "no event of type activated in this history; it has page.viewed",
        ),
        (replace(PLAN, train_until_ms=START + 15 * DAY), "winners and .* others can be learned from, of 13 contacts"),
        (replace(PLAN, train_until_ms=START), "0 winners and 0 others can be learned from, of 0 contacts"),
    ],
)
def test_a_history_that_cannot_answer_says_why(plan: Plan, reason: str) -> None:
    with pytest.raises(NothingToLearnError, match=reason):
        propose_model(read_timelines(lines_of(HISTORY[:200])), plan)


def test_all_looks_at_a_contact_are_in_one_fold(proposal: Proposal) -> None:
    folds = fold_of_looks(proposal.looks, 1)
    of_contact = {(look.timeline.contact_id, fold) for look, fold in zip(proposal.looks, folds, strict=True)}
    assert len(of_contact) == len({contact for contact, _ in of_contact})
    assert set(folds) == {0, 1, 2, 3, 4}


def test_a_regression_of_one_column_finds_the_log_odds() -> None:
    need_regression()
    # 30 of 40 with it won, 10 of 40 without: odds of 3 and 1/3; hardly any penalty.
    rows = [[1.0]] * 40 + [[0.0]] * 40
    labels = [True] * 30 + [False] * 10 + [True] * 10 + [False] * 30
    fitted = create_table(rows, labels).fit(1e6)
    assert fitted.coefficients[0] == pytest.approx(2.1972, abs=1e-3)  # ln 9
    assert fitted.intercept == pytest.approx(-1.0986, abs=1e-3)  # -ln 3


def test_columns_that_say_the_same_or_nothing_are_told() -> None:
    need_regression()
    rows = [[float(n % 2), 2.0 * (n % 2), 7.0, float(n % 3)] for n in range(30)]
    assert create_table(rows, [n % 2 == 0 for n in range(30)]).distinct_columns(0.95) == [(0, [1]), (3, [])]
