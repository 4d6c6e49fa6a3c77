"""What sales is told beside ready and cooled leads: tiers, what was kept back, what is held, and the attributes asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, SECOND, START, event_value, rule, small_model
from tests.support.small_worker import SmallWorker, score_rows, transitions
from worker.scoring.latch import Status


def act(at_ms: int = START, event_type: str = "act", name: str = "", **properties: Any) -> bytes:
    return event_value(event_type, at_ms, name or f"{event_type} {at_ms}", **properties)


TIERED = small_model(
    rule("act", 30, decay={"half_life": "1d"}),
    rule("bad", -100),
    tiers={"cold": 0, "warm": 25, "hot": 50},
    qualify={"when": {"score": {"at_least": 50}}},
    lateness="1h",
)


def tiers(worker: SmallWorker) -> list[tuple[str, int, str, str, str]]:
    return [
        (one["kind"].removeprefix("lead."), one["sequence"], one["cause"], one["previous_tier"], one["tier"])
        for one in transitions(worker.outputs)
    ]


def test_change_of_the_tier_is_told_after_the_other_with_a_number_of_its_own() -> None:
    worker = SmallWorker(TIERED, publish_tiers=True)
    worker.take(act(), act(START + 1), act(START + 2, "bad"))
    assert tiers(worker) == [
        ("tier_changed", 1, "act", "cold", "warm"),
        ("sales_ready", 1, "act", "warm", "hot"),
        ("tier_changed", 2, "act", "hot", "hot"),  # previous: what was told just before
        ("cooled", 1, "bad", "hot", "cold"),
        ("tier_changed", 3, "bad", "cold", "cold"),
    ]
    scores = [(one["previous_score"], one["score"]) for one in transitions(worker.outputs)]
    assert scores == [(0.0, 30.0), (30.0, 59.9), (59.9, 59.9), (59.9, 0.0), (0.0, 0.0)]
    assert len({one["id"] for one in transitions(worker.outputs)}) == 5


def test_tiers_are_not_told_unless_asked_for() -> None:
    worker = SmallWorker(TIERED)
    worker.take(act(), act(START + 1))
    assert [kind for kind, *_ in tiers(worker)] == ["sales_ready"]
    assert worker.state().latch.tier == 0


def test_change_of_the_tier_by_time_alone_is_told_at_its_instant() -> None:
    """30 points, half-life 1 d, fall below 25 after 1 d * log2(30 / 25) = 22,726.04 s: the next whole second."""
    worker = SmallWorker(TIERED, publish_tiers=True)
    worker.take(act())
    due_ms = START + 22_727 * SECOND
    assert worker.due == {b"c": due_ms + HOUR}
    worker.take(event_value("act", START + 9 * DAY, contact="other"))
    worker.outputs.clear()
    worker.fire()
    (told,) = (one for one in transitions(worker.outputs) if one["contact_id"] == "c")
    assert (told["kind"], told["cause"], told["at"], told["tier"]) == (
        "lead.tier_changed", "timer", "2026-01-01T06:18:47.000Z", "cold",
    )  # fmt: skip
    assert worker.counts["behind_timer", "small"] == 0


def test_tier_by_time_is_handled_before_the_event_behind_it() -> None:
    worker = SmallWorker(TIERED, publish_tiers=True)
    worker.take(act(), act(START + DAY))
    assert [one[1:4:2] + one[4:] for one in tiers(worker)] == [
        (1, "cold", "warm"),
        (2, "warm", "cold"),
        (3, "cold", "warm"),
    ]


def test_tier_changes_do_not_move_the_instant_of_evaluations() -> None:
    """Only ready and cooled do: T is the newest event again, though a tier was told after it."""
    worker = SmallWorker(TIERED, publish_tiers=True)
    worker.take(act(), event_value("act", START + 9 * DAY, contact="other"))
    worker.fire()
    worker.outputs.clear()
    worker.take(act(START + HOUR, "act"))
    assert transitions(worker.outputs)[0]["at"] == "2026-01-01T01:00:00.000Z"


# kept back


KEPT = small_model(
    rule("act", 60),
    rule("bad", -60),
    qualify={"when": {"score": {"at_least": 50}}},
    tiers={"cold": 0, "hot": 50},
)
SINCE = START + 10 * DAY


def kinds(worker: SmallWorker) -> list[tuple[str, int, str]]:
    return [(one["kind"].removeprefix("lead."), one["sequence"], one["at"][:10]) for one in transitions(worker.outputs)]


def test_lead_of_before_is_kept_back_counted_and_its_latch_set() -> None:
    worker = SmallWorker(KEPT, emit_since_ms=SINCE)
    worker.take(act())
    assert transitions(worker.outputs) == []
    assert worker.counts["kept_back", "small"] == 1
    latch = worker.state().latch
    assert (latch.status, latch.sequence, latch.is_kept_back) == (Status.READY, 1, True)


def test_cooled_is_told_if_and_only_if_its_ready_was() -> None:
    worker = SmallWorker(KEPT, emit_since_ms=SINCE)
    worker.take(act(), act(SINCE + DAY, "bad"), act(SINCE + 2 * DAY), act(SINCE + 3 * DAY, "bad"))
    assert kinds(worker) == [("sales_ready", 2, "2026-01-13"), ("cooled", 2, "2026-01-14")]
    assert worker.counts["kept_back", "small"] == 2


def test_lead_at_the_very_instant_is_told() -> None:
    for at_ms, number in ((SINCE - 1, 0), (SINCE, 1)):
        worker = SmallWorker(KEPT, emit_since_ms=SINCE)
        worker.take(act(at_ms))
        assert len(transitions(worker.outputs)) == number


def test_what_was_kept_back_is_known_after_a_restart() -> None:
    worker = SmallWorker(KEPT, emit_since_ms=SINCE)
    worker.take(act())
    worker.start()
    worker.take(act(SINCE + DAY, "bad"))
    assert transitions(worker.outputs) == []


def test_change_of_the_tier_is_kept_back_by_its_own_instant() -> None:
    worker = SmallWorker(KEPT, emit_since_ms=SINCE, publish_tiers=True)
    worker.take(act(), act(SINCE + DAY, "bad"))
    assert kinds(worker) == [("tier_changed", 2, "2026-01-12")]


# held, excluded, included


NEEDY = small_model(
    rule("act", 60),
    rule("little", 1),
    qualify={
        "when": {"score": {"at_least": 50}},
        "rearm": {"score": {"less_than": 10}},
        "require": ["attributes.mail", "attributes.company.name"],
        "exclude": {"attributes.mail": {"ends_with": "@example.com"}},
        "include": ["attributes.mail", "attributes.company.size", "attributes.order"],
        "not_within": "30d",
    },
    feedback={"sales.rejected": {"latch": "open"}, "sales.won": {"latch": "closed"}},
)
WHOLE: dict[str, Any] = {"mail": "a@b.c", "company": {"name": "B", "size": None}}


def update(at_ms: int, **values: Any) -> bytes:
    return act(at_ms, "contact.updated", **values)


def statuses(worker: SmallWorker) -> list[str | None]:
    return [None if row is None else row["status"] for row in score_rows(worker.outputs)]


def test_lead_that_only_lacks_required_data_is_held_and_ready_with_it() -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act())
    worker.take(update(START + 1, mail="a@b.c"))
    assert transitions(worker.outputs) == []
    worker.take(update(START + 2, company={"name": "B"}))
    assert worker.told == [("lead.sales_ready", 1, "contact.updated", 60.0)]
    assert statuses(worker) == ["held", "ready"]


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_required_data_that_is_empty_is_missing(empty: object) -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act(), update(START + 1, mail="a@b.c", company={"name": empty}))
    assert statuses(worker) == ["held"]


@pytest.mark.parametrize("present", [0, False, " ", [None], 0.0])
def test_required_data_may_be_anything_that_is_not_empty(present: object) -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act(), update(START + 1, mail="a@b.c", company={"name": present}))
    assert statuses(worker) == ["ready"]


def test_excluded_lead_is_neither_ready_nor_held() -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act(), update(START + 1, mail="A@EXAMPLE.com"))
    assert statuses(worker) == ["open"]
    worker.take(update(START + 2, **WHOLE))
    assert statuses(worker) == ["open", "ready"]


def test_ready_lead_that_becomes_excluded_or_loses_required_data_stays_ready() -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act(), update(START + 1, **WHOLE), update(START + 2, mail="a@example.com", company=None))
    assert [kind for kind, *_ in worker.told] == ["lead.sales_ready"]
    assert worker.state().latch.status is Status.READY


def test_new_data_wakes_no_lead_that_sales_gave_back() -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act(), update(START + 1, **WHOLE), act(START + 2, "sales.rejected"))
    worker.take(update(START + 40 * DAY, mail="x@y.z"))
    assert worker.state().latch.status is Status.RESTING
    worker.take(act(START + 41 * DAY, "little"))
    assert [one[:3] for one in worker.told] == [
        ("lead.sales_ready", 1, "contact.updated"), ("lead.cooled", 1, "sales.rejected"), ("lead.sales_ready", 2, "little"),
    ]  # fmt: skip


def test_update_that_a_rule_rewards_wakes_a_resting_lead() -> None:
    model = small_model(
        rule("act", 60),
        rule("contact.updated", 0),
        qualify={"when": {"score": {"at_least": 50}}},
        feedback={"sales.rejected": {"latch": "open"}},
    )
    worker = SmallWorker(model)
    worker.take(act(), act(START + 1, "sales.rejected"), update(START + 2, mail="x"))
    assert [kind for kind, *_ in worker.told] == ["lead.sales_ready", "lead.cooled", "lead.sales_ready"]


def test_lead_told_not_long_ago_is_open_and_not_held() -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act(), update(START + 1, **WHOLE), act(START + 2, "sales.rejected"), act(START + 3, "little"))
    worker.take(update(START + 4, mail=None))
    assert statuses(worker)[-1] == "open"
    worker.take(act(START + 31 * DAY, "little"))
    assert statuses(worker)[-1] == "held"


def test_closed_lead_is_not_held() -> None:
    worker = SmallWorker(NEEDY)
    worker.take(act(), act(START + 1, "sales.won"))
    assert statuses(worker) == ["closed"]


def test_included_attributes_are_copied_null_where_missing_and_with_all_their_digits() -> None:
    worker = SmallWorker(NEEDY)
    put_out = worker.take(act(), update(START + 1, order=2**70, secret="no", **WHOLE))
    (told,) = transitions(put_out)
    assert told["attributes"] == {"mail": "a@b.c", "company.size": None, "order": 2**70}
    worker.start()
    put_out = worker.take(act(START + 2, "sales.rejected"))
    assert transitions(put_out)[0]["attributes"]["order"] == 2**70


def test_points_by_hand_and_values_without_effect_are_counted_once_an_event() -> None:
    worker = SmallWorker(NEEDY)
    by_hand = act(START, "score.adjusted", "hand", points=5, reason="call", group="none")
    long = act(START, "contact.updated", "long", mail="x" * 2_000)
    worker.take(by_hand, by_hand, long, long)
    counts = worker.counts
    assert (counts["adjustments_ignored", "small"], counts["attributes_dropped", "small"]) == (1, 1)
    assert (counts["effective", "small"], counts["duplicate", "small"]) == (2, 2)


def test_points_by_hand_make_a_lead_ready_and_their_end_cools_it() -> None:
    model = small_model(rule("act", 1), qualify={"when": {"score": {"at_least": 50}}}, lateness="1h")
    worker = SmallWorker(model)
    ends_ms = START + DAY + 123
    worker.take(act(START, "score.adjusted", points=50, reason="fair", expires_at=ends_ms))
    assert worker.due == {b"c": ends_ms + HOUR}
    worker.take(event_value("act", START + 9 * DAY, contact="other"))
    worker.fire()
    assert worker.told == [("lead.sales_ready", 1, "score.adjusted", 50.0), ("lead.cooled", 1, "timer", 0.0)]
    assert transitions(worker.outputs)[1]["at"] == "2026-01-02T00:00:00.123Z"
