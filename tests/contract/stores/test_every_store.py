"""What every contact store does alike: rounds, timers and restores are written against these tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.clock import monotonic
from worker.errors import RestartRequired
from worker.stores import ContactStore, Due, DueChange

AWKWARD_KEYS = [
    b"",
    b"\x00",
    b"\x00partition",
    b"\x01" + b"\xff" * 16,
    b"c",
    b"d",
    b"d" + bytes(8) + b"x",
    b"m-format",
    b"\xff" * 128,
]


def put(store: ContactStore, offset: int, rows: dict[bytes, bytes], partition: int = 0) -> None:
    """Write *rows* over whatever the store stands at."""
    store.write(partition, rows, [], [], store.changelog_offset(partition), offset)


def schedule(store: ContactStore, offset: int, *changes: DueChange) -> None:
    store.write(0, {}, [], changes, store.changelog_offset(0), offset)


def everything(store: ContactStore, partition: int = 0) -> tuple[Any, ...]:
    """Return all that can be seen of a partition."""
    rows, due = list(store.iterate(partition)), store.due_before(partition, 2**63 - 1, 1_000_000)
    return rows, due, store.changelog_offset(partition)


def test_new_partition_is_empty_and_stands_at_no_offset(store: ContactStore) -> None:
    assert everything(store) == ([], [], None)
    assert store.get_many(0, [b"a", b""]) == [None, None]
    assert store.get_many(0, []) == []


def test_get_many_answers_in_the_order_asked_and_for_repeats_too(store: ContactStore) -> None:
    put(store, 1, {b"a": b"1", b"b": b"2"})
    assert store.get_many(0, [b"b", b"x", b"a", b"b"]) == [b"2", None, b"1", b"2"]


def test_empty_value_is_a_value_and_not_absence(store: ContactStore) -> None:
    put(store, 1, {b"a": b""})
    assert store.get_many(0, [b"a"]) == [b""]
    assert list(store.iterate(0)) == [(b"a", b"")]


def test_any_bytes_are_a_key_and_meet_no_internal_key(store: ContactStore) -> None:
    """If this fails, a contact with an unlucky id breaks the state of a whole partition."""
    schedule(store, 1, DueChange(b"x", None, -(2**62)))
    put(store, 2, {key: b"v" + key for key in AWKWARD_KEYS})
    assert store.get_many(0, AWKWARD_KEYS) == [b"v" + key for key in AWKWARD_KEYS]
    assert everything(store) == ([(key, b"v" + key) for key in sorted(AWKWARD_KEYS)], [Due(-(2**62), b"x")], 2)
    store.write(0, {}, AWKWARD_KEYS, [], 2, 3)
    assert everything(store) == ([], [Due(-(2**62), b"x")], 3)


def test_delete_of_an_absent_key_changes_nothing(store: ContactStore) -> None:
    store.write(0, {b"a": b"1"}, [b"nobody"], [], None, 1)
    assert list(store.iterate(0)) == [(b"a", b"1")]


def test_key_put_and_deleted_in_one_write_is_gone(store: ContactStore) -> None:
    store.write(0, {b"a": b"1"}, [b"a"], [], None, 1)
    assert store.get_many(0, [b"a"]) == [None]


@pytest.mark.parametrize("expected", [None, 6, 8])
def test_write_that_expects_another_offset_is_refused_whole(store: ContactStore, expected: int | None) -> None:
    """If this fails, a worker that was replaced while frozen overwrites its successor's state."""
    store.write(0, {b"a": b"1"}, [], [DueChange(b"a", None, 50)], None, 7)
    before = everything(store)
    with pytest.raises(RestartRequired, match="somebody else wrote"):
        store.write(0, {b"a": b"2", b"b": b"3"}, [b"a"], [DueChange(b"a", 50, 60)], expected, 9)
    assert everything(store) == before


def test_write_that_expects_an_offset_is_refused_by_an_empty_partition(store: ContactStore) -> None:
    with pytest.raises(RestartRequired):
        store.write(0, {b"a": b"1"}, [], [], 0, 1)
    assert everything(store) == ([], [], None)


def test_write_whose_input_raises_midway_leaves_nothing(store: ContactStore) -> None:
    def broken() -> Iterator[DueChange]:
        yield DueChange(b"a", None, 1)
        raise LookupError("midway")

    put(store, 1, {b"a": b"1"})
    with pytest.raises(LookupError):
        store.write(0, {b"a": b"2"}, [b"a"], broken(), 1, 2)
    assert everything(store) == ([(b"a", b"1")], [], 1)


def test_offset_zero_is_an_offset_and_not_emptiness(store: ContactStore) -> None:
    store.write(0, {}, [], [], None, 0)
    assert store.changelog_offset(0) == 0
    store.write(0, {}, [], [], 0, 1)


def test_due_entries_come_soonest_first_and_ties_by_key(store: ContactStore) -> None:
    changes = [(b"b", 10), (b"a", 10), (b"", 10), (b"z", -3), (b"m", 9), (b"\xff", 10), (b"future", 11)]
    schedule(store, 1, *(DueChange(key, None, at_ms) for key, at_ms in changes))
    soonest = [Due(-3, b"z"), Due(9, b"m"), Due(10, b""), Due(10, b"a"), Due(10, b"b"), Due(10, b"\xff")]
    assert store.due_before(0, 10, 100) == soonest
    assert store.due_before(0, 10, 3) == soonest[:3]
    assert store.due_before(0, 9, 100) == soonest[:2]
    assert store.due_before(0, -4, 100) == []
    assert store.due_before(0, 10, 0) == []


def test_reading_due_entries_keeps_them(store: ContactStore) -> None:
    schedule(store, 1, DueChange(b"a", None, 1))
    assert store.due_before(0, 5, 9) == store.due_before(0, 5, 9) == [Due(1, b"a")]


def test_due_entry_moves_and_goes(store: ContactStore) -> None:
    schedule(store, 1, DueChange(b"a", None, 10), DueChange(b"b", None, 10))
    schedule(store, 2, DueChange(b"a", 10, 20), DueChange(b"b", 10, None))
    assert store.due_before(0, 100, 9) == [Due(20, b"a")]
    schedule(store, 3, DueChange(b"a", 20, 20))
    assert store.due_before(0, 100, 9) == [Due(20, b"a")]


def test_removing_a_due_entry_that_is_not_there_changes_nothing(store: ContactStore) -> None:
    schedule(store, 1, DueChange(b"a", None, 10))
    schedule(store, 2, DueChange(b"a", 11, None))
    assert store.due_before(0, 100, 9) == [Due(10, b"a")]


@pytest.mark.parametrize("at_ms", [-(2**63), -1, 0, 1, 4_102_444_799_999, 2**63 - 1])
def test_due_instant_is_kept_exactly(store: ContactStore, at_ms: int) -> None:
    schedule(store, 1, DueChange(b"a", None, at_ms))
    assert store.due_before(0, at_ms, 9) == [Due(at_ms, b"a")]
    assert store.due_before(0, at_ms - 1, 9) == []


def test_many_due_entries_are_read_to_the_end(store: ContactStore) -> None:
    entries = [Due(at_ms, b"contact-%d" % at_ms) for at_ms in range(5_000)]
    schedule(store, 1, *(DueChange(key, None, at_ms) for at_ms, key in entries))
    assert store.due_before(0, 4_998, 10_000) == entries[:4_999]


def test_entry_due_before_those_read_last_is_found(store: ContactStore) -> None:
    """If this fails, an event from the past sets a timer that never fires."""
    schedule(store, 1, DueChange(b"a", None, 100))
    assert store.due_before(0, 50, 9) == []
    assert store.due_before(0, 100, 9) == [Due(100, b"a")]
    schedule(store, 2, DueChange(b"b", None, 10))
    assert store.due_before(0, 100, 9) == [Due(10, b"b"), Due(100, b"a")]


def test_partitions_are_apart(store: ContactStore) -> None:
    store.open(7)
    put(store, 1, {b"a": b"0"})
    put(store, 5, {b"a": b"7"}, partition=7)
    assert everything(store) == ([(b"a", b"0")], [], 1)
    assert everything(store, 7) == ([(b"a", b"7")], [], 5)
    store.drop(7)
    assert everything(store) == ([(b"a", b"0")], [], 1)


@pytest.mark.parametrize("read_before", [0, 1, 6])
def test_iteration_sees_each_key_that_stays_once_while_others_come_change_and_go(
    store: ContactStore, read_before: int
) -> None:
    """If this fails, a new version of a model is carried over to some contacts twice, or not at all."""
    old = {b"%d" % number: b"old" for number in range(0, 18, 2)}
    put(store, 1, old)
    scan = store.iterate(0)
    seen = list(islice(scan, read_before))
    store.write(0, {b"12": b"new", b"11": b"new", b"0": b"new"}, [b"14", b"2"], [], 1, 2)
    seen += scan
    assert [key for key, _ in seen] == sorted({key for key, _ in seen})
    allowed = set(old.items()) | {(b"12", b"new"), (b"11", b"new"), (b"0", b"new")}
    assert set(seen) <= allowed
    assert {key for key, _ in seen} >= set(old) - {b"14", b"2"}


def test_iteration_is_by_key_and_complete_when_there_are_many(store: ContactStore) -> None:
    chance = random.Random(3)
    rows = {chance.randbytes(chance.randrange(1, 40)): b"%d" % number for number in range(12_000)}
    put(store, 1, rows)
    assert list(store.iterate(0)) == sorted(rows.items())


def test_partition_closes_in_the_middle_of_an_iteration(store: ContactStore) -> None:
    put(store, 1, {b"a": b"1", b"b": b"2"})
    scan = store.iterate(0)
    assert next(scan) == (b"a", b"1")
    store.close(0)
    store.open(0)
    assert store.changelog_offset(0) in {1, None}


def test_size_grows_with_what_is_stored(store: ContactStore) -> None:
    before = store.size_bytes(0)
    put(store, 1, {b"%d" % number: random.Random(number).randbytes(1_000) for number in range(1_000)})
    assert 900_000 < store.size_bytes(0) - before < 3_000_000


def test_dropped_partition_is_empty_when_opened_again(store: ContactStore) -> None:
    schedule(store, 1, DueChange(b"a", None, 1))
    put(store, 2, {b"a": b"1"})
    store.drop(0)
    store.open(0)
    assert everything(store) == ([], [], None)


def test_opening_closing_and_dropping_twice_is_harmless(store: ContactStore) -> None:
    put(store, 1, {b"a": b"1"})
    store.open(0)
    assert store.get_many(0, [b"a"]) == [b"1"]
    store.close(0)
    store.close(0)
    store.drop(0)
    store.drop(0)
    store.close_all()
    store.close_all()


@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.get_many(1, [b"a"]),
        lambda store: store.write(1, {}, [], [], None, 1),
        lambda store: store.due_before(1, 0, 1),
        lambda store: store.changelog_offset(1),
        lambda store: store.iterate(1),
        lambda store: store.size_bytes(1),
    ],
    ids=["get_many", "write", "due_before", "changelog_offset", "iterate", "size_bytes"],
)
def test_partition_that_is_not_open_is_refused(store: ContactStore, use: Callable[[ContactStore], object]) -> None:
    with pytest.raises(RuntimeError, match="partition 1 is not open"):
        use(store)


def _due_of(key: bytes, value: bytes) -> int | None:
    """Say that a contact whose value is a number is due then; what begins with a zero byte never is."""
    return int(value) if value and not key.startswith(b"\0") else None


def load(store: ContactStore, offset: int, rows: dict[bytes, bytes | None], partition: int = 0) -> None:
    store.load(partition, rows, _due_of, store.changelog_offset(partition), offset)


def end_load(store: ContactStore, partition: int = 0) -> None:
    for _ in store.end_load(partition, _due_of):
        pass


def test_what_a_restore_loads_is_as_if_it_had_been_written(store: ContactStore) -> None:
    load(store, 3, {b"a": b"10", b"b": b"20", b"\0row": b"1", b"c": b""})
    load(store, 7, {b"a": b"15", b"c": b"30", b"b": None, b"nobody": None})
    load(store, 9, {})
    end_load(store)
    rows = [(b"\0row", b"1"), (b"a", b"15"), (b"c", b"30")]
    assert everything(store) == (rows, [Due(15, b"a"), Due(30, b"c")], 9)
    assert not store.is_loading(0)
    store.write(0, {b"a": b"x"}, [b"c"], [DueChange(b"a", 15, 5), DueChange(b"c", 30, None)], 9, 11)
    assert everything(store) == ([(b"\0row", b"1"), (b"a", b"x")], [Due(5, b"a")], 11)


def test_rows_of_a_load_are_read_while_it_goes_on(store: ContactStore) -> None:
    """If this fails, a restore that chooses by fence cannot see what it has to choose between."""
    load(store, 3, {b"a": b"1", b"b": b"2"})
    load(store, 4, {b"b": None})
    assert store.get_many(0, [b"b", b"a"]) == [None, b"1"]
    assert store.changelog_offset(0) == 4


def test_load_that_expects_another_offset_is_refused_whole(store: ContactStore) -> None:
    load(store, 3, {b"a": b"1"})
    with pytest.raises(RestartRequired, match="somebody else wrote"):
        store.load(0, {b"a": b"2"}, _due_of, 2, 5)
    end_load(store)
    assert everything(store) == ([(b"a", b"1")], [Due(1, b"a")], 3)


def test_load_of_what_is_no_row_leaves_nothing_of_its_batch(store: ContactStore) -> None:
    load(store, 3, {b"a": b"1"})
    with pytest.raises(ValueError, match="invalid literal"):
        load(store, 5, {b"a": b"2", b"b": b"no number"})
    assert store.get_many(0, [b"a", b"b"]) == [b"1", None]
    assert store.changelog_offset(0) == 3


def test_end_of_a_load_that_never_was_changes_nothing(store: ContactStore) -> None:
    assert not store.is_loading(0)
    end_load(store)
    schedule(store, 1, DueChange(b"a", None, 1))
    end_load(store)
    assert store.due_before(0, 9, 9) == [Due(1, b"a")]


def test_end_of_a_load_that_was_given_up_is_begun_anew(store: ContactStore) -> None:
    load(store, 3, {b"%05d" % number: b"%d" % number for number in range(12_000)})
    steps = store.end_load(0, _due_of)
    next(steps, None)
    steps.close()
    end_load(store)
    assert store.due_before(0, 2**62, 20_000) == [Due(number, b"%05d" % number) for number in range(12_000)]


def test_due_index_of_a_load_stays_small_however_often_contacts_were_written(store: ContactStore) -> None:
    """If this fails, an index grows with the changelog and not with the contacts, and each entry too many wakes somebody in vain."""
    keys = [b"contact-%05d" % number for number in range(45_000)]
    at_ms = 0
    for offset in range(4):
        rows: dict[bytes, bytes | None] = {}
        for key in keys:
            rows[key] = b"%d" % (at_ms := at_ms + 1)
        load(store, offset, rows)
    end_load(store)
    due = store.due_before(0, 2**62, 10**6)
    assert {entry.key: entry.at_ms for entry in due} == {key: 135_001 + number for number, key in enumerate(keys)}
    assert len(due) <= 2 * len(keys)


KEYS = st.binary(max_size=3)
INSTANTS = st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)
WRITES = st.tuples(
    st.dictionaries(KEYS, st.binary(max_size=4), max_size=4),
    st.lists(KEYS, max_size=2),
    st.lists(st.builds(DueChange, KEYS, st.none() | INSTANTS, st.none() | INSTANTS), max_size=4),
    st.booleans(),  # whether the writer knows where the store stands
)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(writes=st.lists(WRITES, max_size=8), instant_ms=INSTANTS, limit=st.integers(0, 6))
def test_any_history_of_writes_ends_as_in_a_dictionary(
    new_store: Callable[[], ContactStore], writes: list[Any], instant_ms: int, limit: int
) -> None:
    store = new_store()
    store.open(0)
    rows: dict[bytes, bytes] = {}
    due: set[tuple[int, bytes]] = set()
    stands_at: int | None = None
    for offset, (puts, deletes, changes, is_current) in enumerate(writes):
        if not is_current:
            with pytest.raises(RestartRequired):
                store.write(0, puts, deletes, changes, offset + 100, offset)
            continue
        store.write(0, puts, deletes, changes, stands_at, offset)
        rows |= puts
        rows = {key: value for key, value in rows.items() if key not in deletes}
        for key, old_ms, new_ms in changes:
            due -= {(old_ms, key)} if old_ms is not None else set()
            due |= {(new_ms, key)} if new_ms is not None else set()
        stands_at = offset
        assert (
            store.due_before(0, instant_ms, limit) == [entry for entry in sorted(due) if entry[0] <= instant_ms][:limit]
        )
    assert list(store.iterate(0)) == sorted(rows.items())
    assert store.get_many(0, list(rows)) == list(rows.values())
    assert store.changelog_offset(0) == stands_at
    assert store.due_before(0, 2**63 - 1, 99) == sorted(due)
    store.close_all()


def test_hundred_thousand_rows_are_written_and_read(store: ContactStore, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints its speed; only the content is asserted, since the clock of a shared machine proves nothing."""
    keys = [b"contact-%06d" % number for number in range(100_000)]
    started = monotonic()
    for start in range(0, len(keys), 2_000):
        some = keys[start : start + 2_000]
        due = [DueChange(key, None, at_ms) for at_ms, key in enumerate(some, start)]
        store.write(0, dict.fromkeys(some, b"v" * 300), [], due, start - 1 if start else None, start + 1_999)
    written = monotonic()
    read = sum(
        value is not None for at in range(0, len(keys), 1_000) for value in store.get_many(0, keys[at : at + 1_000])
    )
    got = monotonic()
    scanned = sum(1 for _ in store.iterate(0))
    ended = monotonic()
    assert read == scanned == len(keys)
    assert store.due_before(0, 50_000, 2)[1] == Due(1, keys[1])
    us_per_row = 1e6 / len(keys)
    with capsys.disabled():
        print(
            f"\n  {type(store).__name__}: us a row: write {(written - started) * us_per_row:.2f},"
            f" read {(got - written) * us_per_row:.2f}, scan {(ended - got) * us_per_row:.2f}"
        )
