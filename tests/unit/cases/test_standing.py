"""Where a stored contact stands: the same as the events say, and nothing of before an erasure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, event_value, rule, small_model
from tests.support.small_worker import SmallWorker
from worker.cases.standing import Standing, contact_json, contact_of, key_of_contact, standing_lines, standings
from worker.pipeline.graves import grave_key

MODEL = small_model(
    rule("act", 60, decay={"expire": "3d"}),
    qualify={"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 100}}},
    tiers={"cold": 0, "hot": 100},
)
OTHER = small_model(rule("act", 5))
GRAVE = grave_key(b"c", b"key")


def act(at_ms: int, event_type: str = "act") -> bytes:
    return event_value(event_type, at_ms)


def worker_of(*events: bytes, models: tuple[Any, ...] = (MODEL,)) -> SmallWorker:
    worker = SmallWorker(*models, time="stream")
    worker.take(*events)
    return worker


def standing_of(worker: SmallWorker, at_ms: int | None) -> Standing:
    contact = contact_of(worker.values.get(b"c"), worker.values.get(GRAVE), worker.models)
    assert contact is not None
    (found,) = standings(b"c", contact, worker.models, lambda _: at_ms)
    return found


def test_score_and_latch_are_those_of_the_instant() -> None:
    events = act(START), act(START + 2 * DAY)
    worker = worker_of(*events)
    now = standing_of(worker, None)
    assert (now.outcome.score, now.outcome.status, now.outcome.latch.sequence) == (120, "ready", 1)
    assert now.next_due_ms == START + 3 * DAY
    later = standing_of(worker, START + 3 * DAY)
    assert (later.outcome.score, later.outcome.status) == (60, "open")
    assert worker.values[b"c"] == worker_of(*events).values[b"c"]  # looking changes nothing


@pytest.mark.parametrize("at_ms", [None, START])
def test_contact_is_never_read_before_its_newest_event(at_ms: int | None) -> None:
    worker = worker_of(act(START), act(START + HOUR))
    assert standing_of(worker, at_ms).outcome.at_ms == START + HOUR


def test_document_says_score_explanation_and_what_was_told() -> None:
    worker = worker_of(act(START), act(START + HOUR))
    contact = contact_of(worker.values[b"c"], None, worker.models)
    assert contact is not None
    document = contact_json("c", 4, contact, standings(b"c", contact, worker.models, lambda _: None))
    (model,) = document.pop("models")
    assert document == {"contact_id": "c", "partition": 4, "erased_at": None}
    assert (model["model"], model["score"], model["tier"], model["status"]) == ("small", 120, "hot", "ready")
    assert (model["as_of"], model["next_due"]) == ("2026-01-01T01:00:00.000Z", "2026-01-04T00:00:00.000Z")
    assert model["told"] == {
        "sequence": 1,
        "epoch": None,
        "at": "2026-01-01T01:00:00.000Z",
        "score": 120,
        "first_ready_at": "2026-01-01T01:00:00.000Z",
        "last_ready_at": "2026-01-01T01:00:00.000Z",
        "is_kept_back": False,
    }
    assert sum(line["points"] for group in model["groups"] for line in group["lines"]) == 120


def test_lines_add_up_for_people() -> None:
    worker = worker_of(act(START), act(START + HOUR))
    text = "\n".join(standing_lines("c", standing_of(worker, None)))
    assert text.startswith("c under small version 1 as of 2026-01-01T01:00:00.000Z\nscore 120, tier hot, status ready")
    assert "last at 2026-01-01T01:00:00.000Z, score 120, sequence 1" in text
    assert "Next looked at without an event: at 2026-01-04T00:00:00.000Z." in text
    quiet = worker_of(act(START))
    assert "Sales was told nothing." in standing_lines("c", standing_of(quiet, None))


def test_erased_contact_has_no_standing() -> None:
    worker = worker_of(act(START), event_value("contact.erased", START + DAY))
    contact = contact_of(worker.values.get(b"c"), worker.values[GRAVE], worker.models)
    assert contact is not None
    assert (contact.erased_ms, standings(b"c", contact, worker.models, lambda _: None)) == (START + DAY, [])


def test_value_that_has_outlived_its_erasure_is_not_shown() -> None:
    """If this fails, somebody who was forgotten is read again from a disk that was away."""
    before = worker_of(act(START)).values[b"c"]
    worker = worker_of(act(START), event_value("contact.erased", START + DAY))
    contact = contact_of(before, worker.values[GRAVE], worker.models)
    assert contact is not None
    assert standings(b"c", contact, worker.models, lambda _: None) == []
    after = worker_of(act(START), event_value("contact.erased", START + DAY), act(START + 2 * DAY))
    contact = contact_of(after.values[b"c"], after.values[GRAVE], after.models)
    assert contact is not None
    assert standings(b"c", contact, after.models, lambda _: None)[0].outcome.score == 60


def test_nothing_stored_is_nobody() -> None:
    assert contact_of(None, None, (MODEL,)) is None


@pytest.mark.parametrize("name", ["c", "jane@example.com", "ü" * 64, "a b", "\u2028"])
def test_id_of_a_contact_is_its_key(name: str) -> None:
    assert key_of_contact(name) == name.encode()


@pytest.mark.parametrize("name", ["", "x" * 129, "ü" * 65, "\x00partition", "\x01grave", "a\nb", "a\x7f", "\ud800"])
def test_what_no_contact_is_called_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="it "):
        key_of_contact(name)
