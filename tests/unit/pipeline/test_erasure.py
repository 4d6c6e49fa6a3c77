"""After an erasure nothing of a contact is left but a keyed hash and an instant, and nothing older brings it back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, event_value, rule, small_model
from tests.support.small_worker import SmallWorker, score_rows, transitions
from worker.errors import StateError
from worker.pipeline import PARTITION_KEY, Output
from worker.pipeline.graves import GRAVE_KEY, contact_of_grave, encode_grave, grave_key
from worker.scoring.contact import Fence
from worker.scoring.latch import Latch, Status
from worker.scoring.model_file import parse_model
from worker.scoring.reading import read

MODEL = small_model(
    rule("act", 60),
    rule("once", 10, once_per="contact"),
    {"when": {"attributes.name": {"exists": True}}, "points": 1},
    qualify={
        "when": {"score": {"at_least": 100}},
        "rearm": {"score": {"less_than": 80}},
        "include": ["attributes.name"],
    },
    tiers={"cold": 0, "hot": 50},
    lateness="3d",
)
OTHER = parse_model(
    '{"model": "another", "version": 7, "rules": [{"rule": "a", "when": {"type": "act"}, "points": 200}],'
    '"qualify": {"when": {"score": {"at_least": 100}}}}'
)


def act(at_ms: int = START, event_type: str = "act", name: str = "", **properties: Any) -> bytes:
    return event_value(event_type, at_ms, name or f"{event_type} {at_ms}", **properties)


def erased(at_ms: int = START + DAY, name: str = "") -> bytes:
    return act(at_ms, "contact.erased", name)


def contact_rows(worker: SmallWorker) -> list[bytes]:
    return [key for key in worker.values if key[0] > 1]


def graves(worker: SmallWorker) -> list[bytes]:
    return [key for key in worker.values if key.startswith(GRAVE_KEY)]


def test_gravestone_has_a_keyed_hash_an_instant_and_a_fence_and_nothing_else() -> None:
    key = grave_key(b"jane@example.com", b"secret")
    assert key == grave_key(b"jane@example.com", b"secret")
    assert (key[:1], len(key)) == (b"\x01", 17)
    assert key != grave_key(b"jane@example.com", b"another")
    assert key != grave_key(b"john@example.com", b"secret")
    value = encode_grave(START, Fence(2, 41, 0))
    # layout 1, no fire instant, epoch 2, offset 41, revision 0, the instant as a MessagePack uint64
    assert value.hex() == (
        "01" "8000000000000000" "00000002" "0000000000000029" "00000000" f"cf{START:016x}"
    )  # fmt: skip
    contact = contact_of_grave(value, 3)
    assert (contact.erased_ms, contact.fence, contact.models, contact.is_empty) == (START, (2, 41, 0), [None] * 3, True)


def test_erased_contact_is_gone_from_state_and_scores_and_a_gravestone_stays() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(), act(START, "contact.updated", name="Jane Doe"))
    put_out = worker.take(erased())
    assert contact_rows(worker) == []
    assert graves(worker) == [grave_key(b"c", b"key")]
    assert Output("scores", 0, b"c", None, ()) in put_out
    assert not any(b"Jane" in value for value in worker.values.values())
    assert worker.due == {}


def test_ready_lead_that_is_erased_has_cooled_and_nothing_else_is_said_of_it() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(), act(START + 1), act(START + 2, "contact.updated", name="Jane"))
    ready = transitions(worker.outputs)[0]
    worker.outputs.clear()
    worker.take(erased())
    (cooled,) = transitions(worker.outputs)
    assert cooled.pop("id") != ready["id"]
    assert cooled == {
        "schema": "lead-qualification/1",
        "kind": "lead.cooled",
        "contact_id": "c",
        "model": "small",
        "version": 1,
        "digest": MODEL.digest,
        "sequence": 1,
        "cause": "contact.erased",
        "at": "2026-01-02T00:00:00.000Z",
    }


def test_open_lead_that_is_erased_is_not_spoken_of() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(), erased())
    assert transitions(worker.outputs) == []


def test_older_event_has_no_effect_also_from_the_grave_and_at_the_very_instant() -> None:
    for is_restarted in (False, True):
        worker = SmallWorker(MODEL)
        worker.take(act(START - DAY, name="first"))
        worker.take(erased(START))
        if is_restarted:
            worker.start()
        worker.take(act(START), act(START - HOUR), act(START - 90 * DAY))
        assert contact_rows(worker) == []
        assert worker.counts["without_effect", "small"] == 3
        assert worker.counts["effective", "small"] == 2


def test_contact_that_comes_back_starts_anew_under_a_new_epoch() -> None:
    for is_restarted in (False, True):
        worker = SmallWorker(MODEL)
        worker.take(act(), act(START + 1), act(START, "once"))
        worker.take(erased(START + DAY))
        if is_restarted:
            worker.start()
        worker.outputs.clear()
        # the same ids once more: they were forgotten
        worker.take(
            *(act(START + 2 * DAY + n, name=f"act {START + n}") for n in range(2)), act(START + 2 * DAY, "once")
        )
        (told,) = transitions(worker.outputs)
        assert (told["kind"], told["sequence"], told["epoch"], told["score"]) == (
            "lead.sales_ready", 1, START + DAY, 120.0,
        )  # fmt: skip
        assert (told["previous_score"], told["previous_tier"]) == (0.0, "cold")
        assert worker.state().latch.epoch == START + DAY


def test_epoch_of_a_contact_stays_after_its_grave_is_no_longer_looked_up() -> None:
    worker = SmallWorker(MODEL)
    worker.take(erased(START))
    worker.take(act(START + 1))
    worker.start()
    worker.take(act(START - 1, name="older"), act(START + 2))
    assert (worker.counts["without_effect", "small"], worker.state().latch.epoch) == (1, START)


def test_erasure_that_nothing_preceded_leaves_its_gravestone() -> None:
    worker = SmallWorker(MODEL)
    worker.take(erased(START))
    assert len(graves(worker)) == 1
    worker.start()
    worker.take(act(START - 1))
    assert contact_rows(worker) == []


def test_newer_events_of_the_window_stay_and_are_told_of_with_the_next_event() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(START), act(START + 2 * DAY))
    worker.outputs.clear()
    worker.take(erased(START + DAY))
    state = worker.state()
    assert state.history.instants == [START + 2 * DAY]
    assert (state.history.base, state.latch, state.evaluated_ms) == (None, Latch(epoch=START + DAY), None)
    assert [one["kind"] for one in transitions(worker.outputs)] == ["lead.cooled"]  # it was ready by both
    assert worker.due == {}
    worker.outputs.clear()
    worker.take(act(START + 2 * DAY + 1))
    assert [(one["sequence"], one["epoch"]) for one in transitions(worker.outputs)] == [(1, START + DAY)]


def test_score_row_made_of_erased_events_does_not_outlive_them() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(START), act(START + 2 * DAY))
    put_out = worker.take(erased(START + DAY))
    assert score_rows(put_out) == [None]
    put_out = worker.take(act(START + 2 * DAY + 1))
    assert [row and row["score"] for row in score_rows(put_out)] == [120.0]


def test_late_erasure_takes_the_whole_base_and_leaves_the_window() -> None:
    """Wherever rounds end: what has left the window is base, stored as such or not."""
    for is_restarted in (False, True):
        worker = SmallWorker(MODEL)
        worker.take(*(act(START + day * DAY) for day in (0, 1, 2, 4, 8, 10)))
        if is_restarted:
            worker.start()
        worker.take(erased(START + DAY))
        history = worker.state().history
        assert history.instants == [START + 8 * DAY, START + 10 * DAY]
        assert read(MODEL, history.head(MODEL), START + 10 * DAY).score == 120.0


def test_erasure_cools_at_the_newest_instant_known_when_it_comes_late() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(START), act(START + 2 * DAY))
    worker.outputs.clear()
    worker.take(erased(START + DAY))
    assert [one["at"] for one in transitions(worker.outputs)] == ["2026-01-03T00:00:00.000Z"]


def test_ids_of_erased_events_are_forgotten_and_those_of_newer_ones_are_not() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(START, name="old"), act(START + 2 * DAY, name="new"), erased(START + DAY))
    worker.take(act(START + 3 * DAY, name="old"), act(START + 3 * DAY, name="new"))
    assert worker.counts["duplicate", "small"] == 1
    assert len(worker.state().history.instants) == 2


def test_older_erasure_has_no_effect() -> None:
    worker = SmallWorker(MODEL)
    worker.take(erased(START + DAY), act(START + 2 * DAY), erased(START), erased(START + DAY, "again"))
    assert worker.counts["without_effect", "small"] == 2
    assert worker.state().latch.epoch == START + DAY


def test_second_erasure_is_a_new_epoch() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(START), act(START + 1), erased(START + DAY), act(START + 2 * DAY), act(START + 2 * DAY + 1))
    worker.outputs.clear()
    worker.take(erased(START + 3 * DAY))
    (cooled,) = transitions(worker.outputs)
    assert (cooled["epoch"], cooled["sequence"]) == (START + DAY, 1)  # the old one: which lead it was
    assert graves(worker) == [grave_key(b"c", b"key")]
    worker.start()
    worker.take(act(START + 2 * DAY + 5))
    assert contact_rows(worker) == []


def test_what_is_due_before_an_erasure_is_handled_first() -> None:
    model = small_model(
        rule("act", 100),
        qualify={"when": {"score": {"at_least": 100}}},
        inactivity=[{"after": "1d", "points": -50}],
    )
    worker = SmallWorker(model)
    worker.take(act(START), erased(START + 9 * DAY))
    assert worker.told == [("lead.sales_ready", 1, "act", 100.0), ("lead.cooled", 1, "timer", 50.0)]


def test_lead_is_erased_under_every_model_and_under_those_not_loaded() -> None:
    worker = SmallWorker(MODEL, OTHER)
    worker.take(act())
    worker.start(MODEL)
    worker.take(erased())
    worker.start(MODEL, OTHER)
    worker.take(act(START + 2 * DAY))
    assert len(worker.state(model=1).history.instants) == 1
    assert worker.counts["effective", "small"] == 3


def test_erasure_of_a_lead_that_was_kept_back_is_kept_back() -> None:
    worker = SmallWorker(MODEL, emit_since_ms=START + 9 * DAY)
    worker.take(act(), act(START + 1), erased())
    assert transitions(worker.outputs) == []
    assert worker.counts["kept_back", "small"] == 2


def test_another_erasure_key_is_refused_without_a_word_about_either() -> None:
    """Under another key no gravestone is found: the erased would come back."""
    worker = SmallWorker(MODEL, erasure_key=b"first secret")
    worker.take(erased())
    for key in (b"second secret", b""):
        with pytest.raises(StateError, match="LEADSCORE_ERASURE_KEY") as refused:
            worker.start(erasure_key=key)
        assert "secret" not in str(refused.value)
    assert b"secret" not in worker.values[PARTITION_KEY]
    worker.start(erasure_key=b"first secret")


def test_value_that_outlived_its_tombstone_is_deleted_again() -> None:
    worker = SmallWorker(MODEL)
    worker.take(act(), act(START + 1))
    stale = worker.values[b"c"]
    worker.take(erased())
    worker.values[b"c"] = stale
    worker.start()
    worker.take(act(START, name="older"))
    assert worker.counts["without_effect", "small"] == 1
    assert b"c" not in worker.values
    worker.take(act(START + 2 * DAY))
    assert len(worker.state().history.instants) == 1


def test_erasure_waits_for_the_next_event_before_anything_is_due() -> None:
    model = small_model(rule("act", 100), inactivity=[{"after": "1d", "points": -50}], lateness="3d")
    worker = SmallWorker(model)
    worker.take(act(START), act(START + 2 * DAY), erased(START + HOUR))
    assert worker.due == {}
    assert worker.state().latch.status is Status.OPEN
    worker.take(act(START + 2 * DAY + 1, "sales.accepted"))
    assert worker.due == {b"c": START + 3 * DAY + 3 * DAY}


def test_tier_told_starts_at_the_lowest_after_an_erasure() -> None:
    worker = SmallWorker(MODEL, publish_tiers=True)
    worker.take(act(), erased(), act(START + 2 * DAY))
    told = [(one["kind"], one["sequence"], one.get("epoch"), one.get("tier")) for one in transitions(worker.outputs)]
    assert told == [("lead.tier_changed", 1, None, "hot"), ("lead.tier_changed", 1, START + DAY, "hot")]
