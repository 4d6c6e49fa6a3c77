from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, START, folded, rule, small_model
from worker.scoring.latch import Latch, Status
from worker.scoring.model import Model
from worker.scoring.qualification import evaluate, heed, invite, is_inviting
from worker.scoring.reading import read
from worker.scoring.state import Fold


def qualifying(feedback: dict[str, Any] | None = None, **qualify: Any) -> Model:
    return small_model(
        rule("act", 100),
        rule("little", 30),
        rule("blame", -100),
        qualify={"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 80}}} | qualify,
        feedback=feedback or {"sales.recycled": {"latch": "open"}, "sales.rejected": {"latch": "open"}},
    )


MODEL = qualifying()
RECYCLE = qualifying(again="recycle")


def tell(model: Model, latch: Latch, *events: str, may_qualify: bool = True, at_ms: int = START) -> str | None:
    fold = folded(model, *((name, START + n) for n, name in enumerate(events)))
    result = evaluate(model, fold, latch, at_ms, may_qualify=may_qualify)
    if result is None:
        return None
    kind, reading = result
    assert reading == read(model, fold, at_ms)
    return kind


def test_open_lead_becomes_ready_by_a_good_sign_when_the_condition_holds() -> None:
    latch = Latch()
    assert tell(MODEL, latch, "act") == "lead.sales_ready"
    assert (latch.status, latch.sequence, latch.first_ready_ms, latch.last_ready_ms) == (Status.READY, 1, START, START)


def test_lead_never_becomes_ready_without_a_good_sign() -> None:
    latch = Latch()
    assert tell(MODEL, latch, "act", may_qualify=False) is None
    assert latch == Latch()


def test_lead_below_the_threshold_stays_open() -> None:
    assert tell(MODEL, Latch(), "little") is None


def test_unscored_contact_is_never_ready() -> None:
    model = small_model(rule("act", 5), qualify={"when": {"score": {"at_most": 50}}})
    assert evaluate(model, Fold(), Latch(), START, may_qualify=True) is None


def test_ready_lead_is_told_once() -> None:
    latch = Latch()
    assert [tell(MODEL, latch, "act"), tell(MODEL, latch, "act")] == ["lead.sales_ready", None]


@pytest.mark.parametrize(("model", "status"), [(MODEL, Status.OPEN), (RECYCLE, Status.WAITING)])
@pytest.mark.parametrize("may_qualify", [True, False])
def test_ready_lead_cools_when_rearm_holds(model: Model, status: Status, may_qualify: bool) -> None:
    latch = Latch(status=Status.READY, sequence=3)
    assert tell(model, latch, "little", may_qualify=may_qualify) == "lead.cooled"
    assert (latch.status, latch.sequence) == (status, 3)


def test_ready_lead_between_rearm_and_threshold_stays_ready() -> None:
    latch = Latch(status=Status.READY)
    assert tell(MODEL, latch, "little", "little", "little") is None
    assert latch.is_ready


def test_ready_lead_whose_condition_holds_does_not_cool_although_rearm_holds() -> None:
    model = small_model(
        rule("little", 30),
        rule("other", 1, group="other"),
        groups={"engagement": {}, "other": {}},
        qualify={"when": {"groups.other": {"more_than": 0}}, "rearm": {"score": {"less_than": 80}}},
    )
    latch = Latch()
    assert [tell(model, latch, "little", "other"), tell(model, latch, "little", "other")] == ["lead.sales_ready", None]


def test_rearm_is_the_end_of_the_condition_by_default() -> None:
    model = small_model(rule("act", 99.5), qualify={"when": {"score": {"at_least": 99}}})
    assert tell(model, Latch(status=Status.READY), "act") is None
    model = small_model(rule("act", 98.5), rule("more", 1), qualify={"when": {"score": {"at_least": 99}}})
    assert tell(model, Latch(status=Status.READY), "act") == "lead.cooled"


@pytest.mark.parametrize("status", [Status.RESTING, Status.WAITING, Status.CLOSED])
def test_resting_waiting_and_closed_leads_are_told_of_nothing(status: Status) -> None:
    for event_type in ("act", "little"):
        latch = Latch(status=status, sequence=1)
        assert tell(MODEL, latch, event_type) is None
        assert latch == Latch(status=status, sequence=1)


def test_lead_is_not_ready_again_within_the_time_given() -> None:
    model = qualifying(not_within="30d")
    latch = Latch(sequence=1, first_ready_ms=START, last_ready_ms=START)
    assert tell(model, latch, "act", at_ms=START + 30 * DAY - 1) is None
    assert tell(model, latch, "act", at_ms=START + 30 * DAY) == "lead.sales_ready"
    assert (latch.sequence, latch.first_ready_ms, latch.last_ready_ms) == (2, START, START + 30 * DAY)


def test_model_without_qualify_tells_nothing() -> None:
    assert tell(small_model(rule("act", 1000)), Latch(), "act") is None


@pytest.mark.parametrize(
    ("event_type", "gained", "inviting"),
    [
        ("act", True, True),
        ("act", False, False),
        ("sales.won", True, False),
        ("sales.called", True, False),
        ("sale", True, True),
    ],
)
def test_good_sign_is_an_award_of_0_or_more_by_anyone_but_sales(event_type: str, gained: bool, inviting: bool) -> None:
    assert is_inviting(event_type, gained=gained) is inviting


def test_good_sign_wakes_a_resting_lead_and_no_other() -> None:
    for status in Status:
        latch = Latch(status=status)
        invite(latch)
        assert latch.status is (Status.OPEN if status is Status.RESTING else status)


@pytest.mark.parametrize(
    ("again", "event_type", "status", "after", "cooled"),
    [
        ("rearm", "sales.rejected", Status.READY, Status.RESTING, True),
        ("rearm", "sales.recycled", Status.READY, Status.RESTING, True),
        ("recycle", "sales.rejected", Status.READY, Status.WAITING, True),
        ("recycle", "sales.recycled", Status.READY, Status.RESTING, True),
        ("recycle", "sales.recycled", Status.WAITING, Status.RESTING, False),
        ("recycle", "sales.rejected", Status.WAITING, Status.WAITING, False),
        ("rearm", "sales.rejected", Status.OPEN, Status.OPEN, False),
        ("rearm", "sales.rejected", Status.RESTING, Status.RESTING, False),
        ("rearm", "sales.recycled", Status.CLOSED, Status.CLOSED, False),
        ("rearm", "sales.won", Status.READY, Status.CLOSED, False),
        ("rearm", "sales.won", Status.OPEN, Status.CLOSED, False),
        ("rearm", "sales.won", Status.WAITING, Status.CLOSED, False),
        ("rearm", "sales.lost", Status.READY, Status.READY, False),
    ],
)
def test_answer_of_sales_moves_the_latch(
    again: str, event_type: str, status: Status, after: Status, cooled: bool
) -> None:
    feedback: dict[str, Any] = {
        "sales.recycled": {"latch": "open"},
        "sales.rejected": {"latch": "open"},
        "sales.won": {"latch": "closed"},
        "sales.lost": {"points": -5},
    }
    model = qualifying(feedback, again=again)
    latch = Latch(status=status, sequence=1)
    assert heed(model, latch, model.feedback[event_type], None) is cooled
    assert (latch.status, latch.sequence) == (after, 1)


@pytest.mark.parametrize(("sequence", "cooled"), [(1, False), (2, True), (3, True), (None, True)])
def test_answer_to_an_older_round_leaves_the_latch(sequence: int | None, cooled: bool) -> None:
    latch = Latch(status=Status.READY, sequence=2)
    assert heed(MODEL, latch, MODEL.feedback["sales.rejected"], sequence) is cooled
    assert latch.status is (Status.RESTING if cooled else Status.READY)
