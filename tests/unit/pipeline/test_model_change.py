"""A new version of a model takes over what was stored under the old one: once, in rounds, and sales is not flooded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.small import DAY, START, event_value, rule
from tests.support.small_worker import SmallWorker, score_rows, transitions
from worker.errors import StateError
from worker.pipeline import PARTITION_KEY, decode_partition_row
from worker.scoring.latch import Status
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model
from worker.scoring.reading import read


def version(number: int, *rules: dict[str, Any], name: str = "x", **parts: Any) -> Model:
    named = [{"rule": f"rule {place}", **one} for place, one in enumerate(rules)]
    return parse_model(json.dumps({"model": name, "version": number, "rules": named, **parts}))


READY_AT_100 = {"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 80}}}
FIRST = version(1, rule("act", 60), qualify=READY_AT_100)
SECOND = version(2, rule("act", 60), rule("other", 5), qualify=READY_AT_100)
EASIER = version(2, rule("act", 60), qualify={"when": {"score": {"at_least": 50}}})
HARDER = version(2, rule("act", 60), qualify={"when": {"score": {"at_least": 300}}})
OTHER = version(1, rule("act", 1), name="y")


def act(contact: str, at_ms: int = START, event_type: str = "act", name: str = "") -> bytes:
    return event_value(event_type, at_ms, name or f"{event_type} {at_ms}", contact=contact)


def score(worker: SmallWorker, contact: str, model: int = 0) -> float:
    history = worker.state(contact, model).history
    return read(worker.models[model], history.head(worker.models[model]), history.newest_ms or 0).score


def stored_models(worker: SmallWorker) -> list[bytes]:
    return sorted(key for key in worker.values if key.startswith(b"\x00model:"))


def carries_over_from(worker: SmallWorker) -> bytes | None:
    return worker.partition.carries_over_from


def five(*models: Model, **options: Any) -> SmallWorker:
    worker = SmallWorker(*models, **options)
    worker.take(*(act(name) for name in "abcde"))
    return worker


def test_every_contact_is_carried_over_in_rounds_and_counted() -> None:
    worker = five(FIRST)
    assert stored_models(worker) == [b"\x00model:x:1"]
    worker.start(SECOND)
    assert carries_over_from(worker) == b""
    assert worker.scan()
    assert carries_over_from(worker) == b"b"
    assert stored_models(worker) == [b"\x00model:x:1", b"\x00model:x:2"]
    assert worker.scan()
    assert not worker.scan()
    assert carries_over_from(worker) is None
    assert worker.counts["carried_over", "x"] == 5
    assert [score(worker, name) for name in "abcde"] == [60.0] * 5


def test_row_of_the_old_version_goes_when_nothing_is_written_under_it_any_more() -> None:
    worker = five(FIRST)
    worker.change(SECOND)
    assert stored_models(worker) == [b"\x00model:x:2"]
    row = decode_partition_row(worker.values[PARTITION_KEY])
    assert (row.older, row.carried_to) == ({}, b"")
    assert row.models["x"][0] == 2


def test_row_of_the_old_version_goes_after_a_restart_too() -> None:
    """If this fails, each change that ends in a crash leaves a row in changelog and store for good."""
    worker = five(FIRST)
    worker.start(SECOND)
    while worker.scan(is_cut_short=True):
        pass
    assert stored_models(worker) == [b"\x00model:x:1", b"\x00model:x:2"]
    for _ in range(2):
        worker.start(SECOND)
        worker.take(act("z"))
        assert stored_models(worker) == [b"\x00model:x:2"]


def test_change_goes_on_after_a_restart_in_the_middle_where_it_was() -> None:
    worker = five(FIRST)
    worker.start(SECOND)
    worker.scan()
    worker.start()
    assert worker.partition.carries_over_from == b"b"
    while worker.scan():
        pass
    assert worker.counts["carried_over", "x"] == 5
    worker.take(act("a", START + 1), act("e", START + 1, "other"))
    assert [score(worker, name) for name in "ae"] == [120.0, 65.0]


def test_states_of_two_older_versions_are_carried_over_at_once() -> None:
    worker = five(FIRST)
    worker.start(SECOND)
    worker.scan()  # a and b
    third = version(3, rule("act", 60), rule("other", 9), qualify=READY_AT_100)
    worker.start(third)
    assert worker.partition.carries_over_from == b""
    assert decode_partition_row(worker.values[PARTITION_KEY]).older == {"x": [1]}
    while worker.scan():
        pass
    assert [score(worker, name) for name in "abcde"] == [60.0] * 5
    assert stored_models(worker) == [b"\x00model:x:3"]


def test_empty_partition_changes_at_once() -> None:
    worker = SmallWorker(FIRST)
    worker.take(act("a", event_type="unknown"))
    worker.change(SECOND)
    assert stored_models(worker) == [b"\x00model:x:2"]


def test_older_version_is_refused_and_says_how_to_go_back() -> None:
    worker = five(SECOND)
    with pytest.raises(StateError, match=r"written by version 2 of model x, version 1 is loaded") as refused:
        worker.start(FIRST)
    assert "a version above 2" in str(refused.value.fields["fix"])


def test_version_between_is_refused_while_the_change_is_under_way() -> None:
    worker = five(FIRST)
    worker.start(SECOND)
    worker.scan()
    with pytest.raises(StateError, match="version 1 is loaded"):
        worker.start(FIRST)


def test_other_content_under_the_same_version_is_refused_and_says_what_to_raise() -> None:
    worker = five(FIRST)
    with pytest.raises(StateError, match=r"version 1 of model x has changed") as refused:
        worker.start(version(1, rule("act", 61), qualify=READY_AT_100))
    assert "raise `version` to 2" in str(refused.value.fields["fix"])


def test_same_content_may_go_back_under_a_higher_version() -> None:
    worker = five(FIRST)
    worker.change(EASIER)
    worker.change(version(3, rule("act", 60), qualify=READY_AT_100))
    worker.take(act("a", START + 1))
    assert score(worker, "a") == 120.0


def test_lead_that_a_new_version_makes_ready_is_not_told() -> None:
    """Whoever lowers a threshold must not flood sales with leads of last year."""
    worker = five(FIRST)
    worker.change(EASIER)
    assert worker.told == []
    assert worker.counts["kept_back", "x"] == 5
    latch = worker.state("a").latch
    assert (latch.status, latch.sequence, latch.is_kept_back) == (Status.READY, 1, True)
    assert worker.take(act("a", START + 1)) != []
    assert worker.told == []


def test_lead_that_a_new_version_cools_is_not_told_either() -> None:
    worker = SmallWorker(FIRST)
    worker.take(act("a"), act("a", START + 1))
    assert [kind for kind, *_ in worker.told] == ["lead.sales_ready"]
    worker.change(HARDER)
    assert len(worker.told) == 1
    assert worker.state("a").latch.status is Status.OPEN


def test_cooling_of_a_lead_that_was_kept_back_is_kept_back_and_the_next_round_is_told() -> None:
    parts: dict[str, Any] = {"qualify": {"when": {"score": {"at_least": 50}}, "rearm": {"score": {"less_than": 10}}}}
    worker = SmallWorker(version(1, rule("act", 60), rule("bad", -60)))
    worker.take(act("a"))
    worker.change(version(2, rule("act", 60), rule("bad", -60), **parts))
    worker.take(act("a", START + 1, "bad"), act("a", START + 2))
    assert worker.told == [("lead.sales_ready", 2, "act", 60.0)]
    assert worker.counts["kept_back", "x"] == 2


def test_what_a_new_version_changes_is_told_where_the_deployment_asks_for_it() -> None:
    worker = SmallWorker(FIRST, publish_model_changes=True)
    worker.take(act("a"), act("b"), act("b", START + 1))
    worker.outputs.clear()
    worker.change(EASIER)
    (told,) = transitions(worker.outputs)
    assert (told["contact_id"], told["kind"], told["sequence"], told["cause"], told["version"]) == (
        "a", "lead.sales_ready", 1, "model.changed", 2,
    )  # fmt: skip
    assert told["at"] == "2026-01-01T00:00:00.000Z"
    assert "event" not in told
    worker.outputs.clear()
    worker.change(version(3, rule("act", 60), qualify={"when": {"score": {"at_least": 300}}}))
    assert [(one["contact_id"], one["kind"], one["cause"]) for one in transitions(worker.outputs)] == [
        ("a", "lead.cooled", "model.changed"),
        ("b", "lead.cooled", "model.changed"),
    ]


def test_change_of_the_model_is_no_timer() -> None:
    """An event behind it is not behind a timer."""
    worker = SmallWorker(FIRST, publish_model_changes=True)
    worker.take(act("a", START + DAY), act("a", START + DAY + 1))
    worker.change(HARDER)
    worker.take(act("a", START))
    assert worker.counts["behind_timer", "x"] == 0


def test_score_rows_are_published_again_under_the_new_version() -> None:
    worker = SmallWorker(FIRST)
    worker.take(act("a"))
    worker.outputs.clear()
    worker.change(SECOND)
    assert [row and (row["score"], row["version"]) for row in score_rows(worker.outputs, "x")] == [(60.0, 2)]


def test_due_instants_are_found_anew() -> None:
    idle = version(2, rule("act", 60), inactivity=[{"after": "9d", "points": -1}])
    worker = SmallWorker(version(1, rule("act", 60), inactivity=[{"after": "5d", "points": -1}]))
    worker.take(act("a"))
    assert worker.due == {b"a": START + 8 * DAY}  # 5 d, and 3 d of lateness
    worker.change(idle)
    assert worker.due == {b"a": START + 12 * DAY}


def test_state_of_a_model_that_is_not_loaded_waits_until_it_is() -> None:
    worker = five(FIRST, OTHER)
    worker.start(OTHER)
    worker.take(act("a", START + 1))
    worker.start(FIRST, OTHER)
    worker.take(act("b", START + 1))
    assert [score(worker, name) for name in "ab"] == [60.0, 120.0]  # it has not seen what came meanwhile
    assert [score(worker, name, 1) for name in "ab"] == [2.0, 2.0]


def test_model_may_come_back_under_a_later_version() -> None:
    worker = five(FIRST, OTHER)
    worker.start(OTHER)
    worker.take(act("a", START + 1))
    worker.change(SECOND, OTHER)
    assert [score(worker, name) for name in "abcde"] == [60.0] * 5
    assert stored_models(worker) == [b"\x00model:x:2", b"\x00model:y:1"]


def test_model_unloaded_in_the_middle_of_its_change_may_come_back() -> None:
    """If this fails, what it had not carried over can never be read again."""
    worker = five(FIRST, OTHER)
    worker.start(SECOND, OTHER)
    worker.scan()
    worker.change(OTHER)
    worker.take(act("e", START + 1))
    worker.change(SECOND, OTHER)
    assert [score(worker, name) for name in "abcde"] == [60.0] * 5
    assert stored_models(worker) == [b"\x00model:x:2", b"\x00model:y:1"]


def test_model_that_comes_back_in_the_middle_of_the_change_of_another_misses_no_contact() -> None:
    """What was carried over while it was away was not carried over for it."""
    worker = SmallWorker(FIRST, OTHER)
    worker.take(*(act(name) for name in "abcdefg"))
    other = version(2, rule("act", 1), rule("more", 1), name="y")
    worker.start(SECOND, other)
    worker.scan()  # a, b under both
    worker.start(other)
    worker.scan()  # c, d under y only
    worker.change(SECOND, other)
    worker.start()
    worker.take(*(act(name, START + 1) for name in "abcdefg"))
    assert [score(worker, name) for name in "abcdefg"] == [120.0] * 7
    assert stored_models(worker) == [b"\x00model:x:2", b"\x00model:y:2"]


def test_older_version_whose_content_is_lost_is_refused_before_anything_is_read() -> None:
    worker = five(FIRST)
    del worker.values[b"\x00model:x:1"]
    with pytest.raises(StateError, match="its content is not stored"):
        worker.start(SECOND)


def test_contact_of_an_older_version_is_folded_right_when_it_comes_back() -> None:
    """The journal is folded again under the new rules, the base keeps what it had."""
    dearer = version(2, rule("act", 70), qualify=READY_AT_100)
    worker = SmallWorker(FIRST)
    worker.take(act("a"), act("a", START + 10 * DAY))  # the first is in the base
    worker.change(dearer)
    assert score(worker, "a") == 130.0


def test_tier_that_a_new_version_changes_is_told_only_where_asked_for() -> None:
    tiers: dict[str, Any] = {"tiers": {"cold": 0, "hot": 50}}
    for asked in (True, False):
        worker = SmallWorker(version(1, rule("act", 60), tiers={"cold": 0, "hot": 90}), publish_tiers=True)
        worker.take(act("a"))
        worker.change(version(2, rule("act", 60), **tiers), publish_model_changes=asked)
        told = [(one["kind"], one["cause"], one["tier"]) for one in transitions(worker.outputs)]
        assert told == ([("lead.tier_changed", "model.changed", "hot")] if asked else [])
        assert worker.state("a").latch.tier == 1
