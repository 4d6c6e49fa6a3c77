"""What must be true once a world has come to rest, whatever happened in it before."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka.structs import TopicPartition

from tests.simulation.scoring import ONCE, POINTS, models
from tests.support.frozen import frozen
from worker.contracts.partitioner import partition_of
from worker.pipeline import PARTITION_KEY, Output
from worker.pipeline.graves import FIRST_CONTACT_BYTE, grave_key
from worker.scoring.codec import body_of, decode_contact, fire_of
from worker.scoring.contact import Contact
from worker.scoring.matching import Matcher
from worker.scoring.reading import read
from worker.stores.memory import MemoryStore

if TYPE_CHECKING:
    from tests.simulation.log import Entry
    from tests.simulation.world import World

_SKEW_MS = 300_000
_FORWARDED = "leadscore.forwarded"
_MODELS = ("plain", "fading")


class Recount:
    """One partition folded in one piece by one process to which nothing ever happened."""

    def __init__(self, world: World, partition: int) -> None:
        self.store = MemoryStore()
        self.store.open(partition)
        self.outputs: list[Output] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self._number = partition
        self._offset: int | None = None
        scoring: Any = world.pipeline.make_partition(partition, world.plan.partitions, None, self._get_many)
        self._scoring = scoring
        records = list(world.broker.logs[TopicPartition(world.source, partition)].readable())
        if records:
            scoring.fold(records, self._get_many)
        self._close()
        if world.plan.time == "wall":
            scoring.advance_wall(world.broker.now_ms)
        while (until := scoring.due_until()) is not None and (due := self.store.due_before(partition, until, 50)):
            scoring.fire(due, self._get_many)
            self._close()

    def _get_many(self, keys: Any) -> list[bytes | None]:
        return self.store.get_many(self._number, keys)

    def _close(self) -> None:
        closed = self._scoring.drain()
        if closed is None:
            return
        last = (-1 if self._offset is None else self._offset) + len(closed.puts)
        self.store.write(self._number, closed.puts, closed.deletes, closed.due, self._offset, last)
        self._offset = last
        self.outputs += closed.outputs
        self.counts += closed.counts
        self._scoring.settled()

    def rows(self) -> dict[bytes, bytes]:
        """Return every row."""
        return dict(self.store.iterate(self._number))


def check_everything(world: World) -> None:
    """Check all promises; raises Broken at the first that does not hold."""
    recounts = [Recount(world, partition) for partition in range(world.plan.partitions)]
    for partition, recount in enumerate(recounts):
        _check_state(world, partition, recount)
        _check_sums(world, partition)
        _check_changelog(world, partition)
        _check_refused(world, partition, recount)
        _check_offsets(world, partition)
    _check_told(world, recounts)
    _check_forwards(world, recounts)
    if world.plan.guarantee == "exactly_once":
        _check_scores(world, recounts)
        _check_committed_books(world, recounts)
    if world.problems:
        world._check()


def _expect(world: World, promise: str, found: Any, wanted: Any) -> None:
    if found == wanted:
        return
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)][:2]
        found, wanted = {key: found.get(key) for key in keys}, {key: wanted.get(key) for key in keys}
    world.fail(f"{promise}: found {found!r}, wanted {wanted!r}")
    world._check()


def _stored(world: World, partition: int) -> dict[bytes, bytes]:
    for process in world.processes.values():
        if partition in process.assignment.owned:
            return dict(process.store.iterate(partition))  # raises when the store is not as it was left
    raise AssertionError("nobody owns it")


def _decoded(value: bytes) -> Contact:
    return decode_contact(value, models(), [Matcher(model) for model in models()])


# ---- I1: state


def _check_state(world: World, partition: int, recount: Recount) -> None:
    stored, wanted = _stored(world, partition), recount.rows()
    graves = {key for key in stored if key[:1] == b"\x01"}
    missing = {key for key in wanted if key[:1] == b"\x01"} - graves
    if world.plan.guarantee == "at_least_once":
        # A crash between the batches of a round leaves contacts before gravestones; such a contact remembers its erasure itself.
        secret = world.settings.erasure_key.reveal().encode() if world.settings.erasure_key else b""
        missing -= {
            grave_key(key, secret)
            for key, value in stored.items()
            if key[0] >= FIRST_CONTACT_BYTE and _decoded(value).erased_ms
        }
    _expect(world, f"I1 gravestones of partition {partition}", missing, set())
    contacts = {key: value for key, value in stored.items() if key[0] >= FIRST_CONTACT_BYTE}
    others = {key: value for key, value in wanted.items() if key[0] >= FIRST_CONTACT_BYTE}
    if world.plan.time == "stream":
        found = {key: (bytes(body_of(value)), fire_of(value)) for key, value in contacts.items()}
        expected = {key: (bytes(body_of(value)), fire_of(value)) for key, value in others.items()}
        if found != expected:
            found = {key: (_shown(value), fire_of(value)) for key, value in contacts.items()}  # type: ignore[misc]
            expected = {key: (_shown(value), fire_of(value)) for key, value in others.items()}  # type: ignore[misc]
            _expect(world, f"I1 state of partition {partition}", found, expected)
            world.fail(f"I1 bytes of partition {partition}")
            world._check()
    else:
        _expect(world, f"I1 folds of partition {partition}", _folds(contacts), _folds(others))


def _shown(value: bytes) -> str:
    return frozen(_decoded(value).models)


def _folds(values: dict[bytes, bytes]) -> dict[bytes, list[str]]:
    return {
        key: [frozen(state.history) if state is not None else "" for state in _decoded(value).models]
        for key, value in values.items()
    }


def _check_sums(world: World, partition: int) -> None:
    """Add up by hand what `plain` gives, and compare it with what is stored."""
    stored = _stored(world, partition)
    for key, events in _counted_events(world, partition).items():
        kinds = Counter(kind for kind, _ in events.values())
        score = sum(points * (min(1, kinds[kind]) if kind == ONCE else kinds[kind]) for kind, points in POINTS.items())
        value = stored.get(key)
        state = None if value is None else _decoded(value).models[0]
        _expect(world, f"I1 sum of {key!r}", 0.0 if state is None else _score(state), float(score))


def _counted_events(world: World, partition: int) -> dict[bytes, dict[str, tuple[str, int]]]:
    """Return type and instant of each event that counts, by contact and id: once an id, and none from before an erasure."""
    kept: dict[bytes, dict[str, tuple[str, int]]] = {}
    erased: dict[bytes, int] = {}
    for record in world.broker.logs[TopicPartition(world.source, partition)].readable():
        event = _event_of(record)
        if event is None or partition_of(event["contact_id"].encode(), world.plan.partitions) != partition:
            continue
        key, at_ms = event["contact_id"].encode(), _clamped_ms(record, event["occurred_at"])
        events = kept.setdefault(key, {})
        if event["type"] == "contact.erased":
            erased[key] = max(at_ms, erased.get(key, -1))
            kept[key] = {name: one for name, one in events.items() if one[1] > at_ms}
        elif at_ms > erased.get(key, -1):
            events.setdefault(event["id"], (event["type"], at_ms))
    return kept


def _clamped_ms(record: Entry, at_ms: int) -> int:
    times = [int((mark or b"").rpartition(b":")[2]) for name, mark in record.headers if name == _FORWARDED]
    record_ms = min([record.timestamp, *times])
    return record_ms if at_ms > record_ms + _SKEW_MS else at_ms


def _score(state: Any) -> float:
    newest_ms = state.history.newest_ms
    if newest_ms is None:
        return 0.0
    return read(models()[0], state.history.head_at(models()[0], newest_ms), newest_ms).score


def _event_of(record: Entry) -> dict[str, Any] | None:
    try:
        event: dict[str, Any] = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event.get("occurred_at"), int) else None


# ---- I3: what was told


def _records(world: World, topic: str, partition: int) -> list[Entry]:
    return list(world.broker.logs[TopicPartition(world._topics[topic], partition)].readable())


def _check_told(world: World, recounts: list[Recount]) -> None:
    topic = world.settings.qualifications_topic
    for partition, recount in enumerate(recounts):
        first: dict[str, bytes] = {}
        by_contact: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        for record in _records(world, "told", partition):
            told = orjson.loads(record.value or b"")
            name = told["id"]
            if name in first:
                if world.plan.guarantee == "exactly_once":
                    world.fail(f"I3 told twice: {told}")
                elif world.plan.time == "stream":
                    _expect(world, "I3 a repeat equals the first", record.value, first[name])
                continue
            first[name] = record.value or b""
            place = told.get("epoch") or 0, told["sequence"], told["kind"]
            by_contact.setdefault((told["contact_id"], told["model"]), []).append(place)
        wanted = {orjson.loads(one.value or b"")["id"]: one.value for one in recount.outputs if one.topic == topic}
        if world.plan.time == "stream":
            _expect(world, f"I3 told in partition {partition}", first, wanted)
        for contact, places in by_contact.items():
            _check_order(world, contact, places)
    world._check()


def _check_order(world: World, contact: tuple[str, str], places: list[tuple[int, int, str]]) -> None:
    """Check that a lead becomes ready and cools in turn, and that its numbers rise by one, within each epoch."""
    last: dict[int, tuple[int, str]] = {}
    for epoch, sequence, kind in places:
        number, before = last.get(epoch, (0, "lead.cooled"))
        wanted = (number + 1, "lead.sales_ready") if before == "lead.cooled" else (number, "lead.cooled")
        _expect(world, f"I3 order of {contact}", (sequence, kind), wanted)
        last[epoch] = sequence, kind


def _check_scores(world: World, recounts: list[Recount]) -> None:
    """Compare the last score published of each contact, but for the instant that it was read at."""
    if world.plan.time != "stream":
        return
    topic = world.settings.scores_topic
    for partition, recount in enumerate(recounts):
        found = {record.key: _timeless(record.value) for record in _records(world, "scores", partition)}
        wanted = {one.key: _timeless(one.value) for one in recount.outputs if one.topic == topic}
        known = {key for key, value in wanted.items() if value is not None}
        _expect(
            world,
            f"I3 last scores in partition {partition}",
            {key: value for key, value in found.items() if value is not None},
            {key: wanted[key] for key in known},
        )


def _timeless(value: bytes | None) -> Any:
    if value is None:
        return None
    return {
        name: {key: one for key, one in row.items() if key != "as_of"}
        for name, row in orjson.loads(value)["models"].items()
    }


def _check_refused(world: World, partition: int, recount: Recount) -> None:
    topic = world.settings.dlq_topic

    def identity(one: Any) -> tuple[Any, ...]:
        return one.key, one.value, tuple(sorted(one.headers))

    found = Counter(identity(record) for record in _records(world, "refused", partition))
    wanted = Counter(identity(one) for one in recount.outputs if one.topic == topic)
    if world.plan.guarantee == "exactly_once":
        _expect(world, f"I3 dead letters of partition {partition}", found, wanted)
    else:
        _expect(world, f"I3 dead letters of partition {partition}", set(found), set(wanted))


def _check_forwards(world: World, recounts: list[Recount]) -> None:
    """Check that every record that lay in the wrong partition was forwarded; with transactions once."""
    found: Counter[tuple[int, bytes | None]] = Counter()
    wanted: Counter[tuple[int, bytes | None]] = Counter()
    for partition, recount in enumerate(recounts):
        for record in _records(world, "source", partition):
            found.update((partition, mark) for name, mark in record.headers if name == _FORWARDED)
        for one in recount.outputs:
            if one.topic == world.source:
                wanted.update((one.partition, mark) for name, mark in one.headers if name == _FORWARDED)
    if world.plan.guarantee == "exactly_once":
        _expect(world, "I3 forwards", found, wanted)
    else:
        _expect(world, "I3 forwards", set(found), set(wanted))


# ---- I2, I4, I5


def _check_changelog(world: World, partition: int) -> None:
    """Compare what a restore by anybody, from nothing, would find with what the owner has."""
    log = world.broker.logs[TopicPartition(world._topics["changelog"], partition)]
    folded: dict[bytes, bytes] = {}
    for entry in log.entries:
        if entry.is_readable and entry.key is not None:
            if entry.value is None:
                folded.pop(entry.key, None)
            else:
                folded[entry.key] = entry.value
    _expect(world, f"I4 changelog of partition {partition}", folded, _stored(world, partition))


def _check_offsets(world: World, partition: int) -> None:
    offsets = [offset for number, offset in world.broker.commits if number == partition]
    _expect(world, f"I5 commits of partition {partition} only rise", offsets, sorted(offsets))


def check_commit(world: World, partition: int, offset: int) -> None:
    """Check that what is being committed is durable: the changelog has got so far."""
    fence_of = world.pipeline.fence_of
    log = world.broker.logs[TopicPartition(world._topics["changelog"], partition)]
    reached = [
        fence_of(entry.value)[1]
        for entry in log.whole
        if entry.is_readable and entry.key == PARTITION_KEY and entry.value
    ]
    if offset > max(reached, default=0):
        world.fail(f"I5 partition {partition} is committed to {offset}, its state is at {max(reached, default=0)}")


def _check_committed_books(world: World, recounts: list[Recount]) -> None:
    """Compare the counts of committed rounds with those of the recount."""
    wanted: Counter[tuple[str, str]] = Counter()
    for recount in recounts:
        wanted.update(recount.counts)
    for what in (
        "received",
        "effective",
        "duplicate",
        "without_effect",
        "dead_lettered",
        "forwarded",
        "erased",
        "replayed",
    ):
        found = {key: number for key, number in world.books.items() if key[0] == what and number}
        _expect(
            world, f"I2 {what}", found, {key: number for key, number in wanted.items() if key[0] == what and number}
        )
