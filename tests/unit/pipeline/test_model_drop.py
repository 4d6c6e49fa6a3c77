"""States of a model that is no longer loaded stay until an operator has them dropped; then nothing of them is left."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.support.small import START, event_value, rule
from tests.support.small_worker import SmallWorker
from worker.operations.position_change import Standing, drop_model
from worker.pipeline import PARTITION_KEY, Output, PartitionRow, decode_partition_row
from worker.pipeline.newest import take_row
from worker.pipeline.rows import encode_partition_row
from worker.scoring.codec import body_of
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model


def model(name: str, number: int = 1, *rules: dict[str, Any]) -> Model:
    named = [{"rule": f"rule {place}", **one} for place, one in enumerate(rules or (rule("act", 10),))]
    return parse_model(json.dumps({"model": name, "version": number, "rules": named}))


KEPT, GONE = model("kept"), model("gone", 1, rule("act", 10), rule("only", 10))


def act(contact: str, event_type: str = "act") -> bytes:
    return event_value(event_type, START, f"{contact} {event_type}", contact=contact)


def row_of(worker: SmallWorker) -> PartitionRow:
    return decode_partition_row(worker.values[PARTITION_KEY])


def ask_to_drop(worker: SmallWorker, *names: str) -> None:
    """Write the partition row as the command does."""
    row = msgspec.structs.replace(row_of(worker), dropping=sorted(names), revision=row_of(worker).revision + 1)
    worker.values[PARTITION_KEY] = encode_partition_row(row)


def names_in(worker: SmallWorker) -> dict[str, set[str]]:
    """Return the models that each stored contact has states of."""
    return {
        key.decode(): set(msgspec.msgpack.decode(body_of(value))) for key, value in worker.values.items() if key[0] > 1
    }


def five(**options: Any) -> SmallWorker:
    """Five contacts known to both models, and two that only the model knows which will go."""
    worker = SmallWorker(KEPT, GONE, **options)
    worker.take(*(act(name) for name in "abcde"), act("x", "only"), act("y", "only"))
    worker.start(KEPT)
    return worker


def test_states_stay_while_nobody_asks() -> None:
    worker = five()
    assert worker.partition.carries_over_from is None
    worker.take(act("z"))
    assert names_in(worker)["a"] == {"kept", "gone"}
    assert set(row_of(worker).models) == {"kept", "gone"}


def test_dropped_states_are_gone_and_the_others_as_they_were() -> None:
    worker = five()
    before = msgspec.msgpack.decode(body_of(worker.values[b"a"]))["kept"]
    ask_to_drop(worker, "gone")
    worker.change(KEPT)
    assert names_in(worker) == {name: {"kept"} for name in "abcde"}
    assert msgspec.msgpack.decode(body_of(worker.values[b"a"])) == {"kept": before}
    assert (set(row_of(worker).models), row_of(worker).dropping) == ({"kept"}, [])
    assert [key for key in worker.values if key.startswith(b"\x00model:")] == [b"\x00model:kept:1"]
    assert worker.counts["dropped", ""] == 7
    worker.start(KEPT)
    assert worker.partition.carries_over_from is None


def test_contact_that_nobody_else_knew_leaves_the_scores_too() -> None:
    """If this fails, the web page shows the score of a model that nobody runs, for ever."""
    worker = five()
    ask_to_drop(worker, "gone")
    worker.outputs.clear()
    worker.change(KEPT)
    assert worker.outputs == [Output("scores", 0, name, None, ()) for name in (b"x", b"y")]
    assert not {b"x", b"y"} & worker.due.keys()


def test_erasure_is_remembered_beside_what_was_dropped() -> None:
    """A tombstone counts for no newer than the gravestone: the dropped state would be back after a restore."""
    worker = SmallWorker(KEPT, GONE)
    worker.take(act("x", "only"), event_value("contact.erased", START + 1, contact="x"))
    worker.take(event_value("only", START + 2, "later", contact="x"))
    worker.start(KEPT)
    ask_to_drop(worker, "gone")
    worker.change(KEPT)
    assert names_in(worker) == {"x": {""}}
    worker.take(
        event_value("act", START + 1, "before", contact="x"), event_value("act", START + 3, "after", contact="x")
    )
    assert worker.state("x").history.instants == [START + 3]


def test_worker_that_was_cut_off_takes_nothing_away_that_came_since() -> None:
    """If this fails, a row that it sent too late costs a contact what its new owner has scored meanwhile."""
    cut_off = five(merges_by_fence=True)
    ask_to_drop(cut_off, "gone")
    owner = SmallWorker(KEPT, merges_by_fence=True, offset=7)
    owner.values |= cut_off.values
    owner.change(KEPT)
    assert names_in(owner)["x"] == set()
    owner.take(act("x"))
    cut_off.change(KEPT)
    changelog = {b"x": owner.values[b"x"]}
    take_row(changelog, b"x", cut_off.values.get(b"x"), None)
    assert changelog == {b"x": owner.values[b"x"]}
    assert names_in(owner)["x"] == {"kept"}


def test_rows_of_a_dropped_model_go_after_a_restart_too() -> None:
    worker = five()
    ask_to_drop(worker, "gone")
    worker.start(KEPT)
    while worker.scan(is_cut_short=True):
        pass
    worker.start(KEPT)
    worker.take(act("z"))
    assert [key for key in worker.values if key.startswith(b"\x00model:")] == [b"\x00model:kept:1"]


def test_row_of_a_dropped_model_stays_when_it_is_loaded_again_before_it_could_go() -> None:
    """If this fails, the next version of that model finds no content to carry over, and the worker does not start."""
    worker = five()
    ask_to_drop(worker, "gone")
    worker.start(KEPT)
    while worker.scan(is_cut_short=True):
        pass
    worker.start(KEPT, GONE)
    worker.take(act("z"))
    worker.change(KEPT, model("gone", 2))
    assert [key for key in worker.values if key.startswith(b"\x00model:")] == [
        b"\x00model:kept:1",
        b"\x00model:gone:2",
    ]


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_restart_goes_on_where_it_was(rounds: int) -> None:
    worker = five()
    ask_to_drop(worker, "gone")
    worker.start(KEPT)
    for _ in range(rounds):
        assert worker.scan()
    assert row_of(worker).dropping == ["gone"]
    worker.start(KEPT)
    assert worker.partition.carries_over_from == "abcde"[2 * rounds - 1].encode() if rounds < 3 else b"x"
    while worker.scan():
        pass
    assert names_in(worker) == {name: {"kept"} for name in "abcde"}


def test_model_that_is_loaded_is_never_dropped() -> None:
    """If this fails, a slip of the hand costs a model that runs all its scores."""
    worker = five()
    ask_to_drop(worker, "kept")
    worker.start(KEPT)
    assert worker.partition.carries_over_from is None
    worker.take(act("z"))
    worker.take(act("z", "only"))
    assert names_in(worker)["a"] == {"kept", "gone"}
    assert (row_of(worker).dropping, set(row_of(worker).models)) == ([], {"kept", "gone"})
    assert b"\x00model:kept:1" in worker.values


def test_new_version_and_drop_share_one_scan() -> None:
    worker = five()
    ask_to_drop(worker, "gone")
    worker.change(model("kept", 2))
    assert names_in(worker) == {name: {"kept"} for name in "abcde"}
    assert row_of(worker).models["kept"][0] == 2


def test_dropped_model_begins_anew_when_it_is_loaded_again() -> None:
    worker = five()
    ask_to_drop(worker, "gone")
    worker.change(KEPT)
    worker.change(KEPT, GONE)
    worker.take(act("a", "only"))
    assert len(worker.state("a", 1).history.instants) == 1


def test_every_version_of_it_goes() -> None:
    worker = SmallWorker(KEPT, model("gone", 1))
    worker.take(act("a"))
    worker.start(KEPT, model("gone", 2))  # stopped before anybody was carried over
    worker.close()
    worker.take(act("b"))
    worker.start(KEPT)
    ask_to_drop(worker, "gone")
    worker.change(KEPT)
    assert [key for key in worker.values if key.startswith(b"\x00model:")] == [b"\x00model:kept:1"]
    assert row_of(worker).older == {}


def test_command_asks_only_where_the_model_wrote_and_once() -> None:
    worker = five()
    decide = drop_model("gone")
    change = decide(Standing(0, row_of(worker), 0, 9))
    assert change is not None
    assert (change.from_offset, change.to_offset, change.dropping) == (7, 7, ("gone",))
    assert drop_model("other")(Standing(0, row_of(worker), 0, 9)) is None
    assert decide(Standing(0, None, 0, 9)) is None
    ask_to_drop(worker, "gone")
    assert decide(Standing(0, row_of(worker), 0, 9)) is None
