"""
What must hold when a run has come to rest: I1 to I5 and I7 to I9, each a function that returns what is wrong, in words.

(I6, that lag returns to 0 in time, is the waiting for rest itself.) Two oracles are asked: the load's own sums, and the recount of
the topic as stored. Where they disagree with each other the text says so, and the worker is not to blame.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

import orjson
from aiokafka.structs import ConsumerRecord

from tests.support.cluster import PARTITIONS, Cluster
from tests.support.faults.load import CANARY, EXAMPLE_HEADER, Load
from tests.support.faults.points import Tally
from tests.support.faults.recount import Recount, lines_of, recount
from tests.support.faults.stores import StoreUnderTest
from tests.support.faults.watch import Watch
from tests.support.feeding import Feed
from tests.support.kafka import read_all
from worker.contracts.instants import MAX_INSTANT_MS
from worker.contracts.partitioner import partition_of
from worker.export import ScoreLine
from worker.operations.dump import decode_changelog
from worker.pipeline import PARTITION_KEY, fence_of
from worker.scoring.model_file import load_model

Topic = Mapping[int, Sequence[ConsumerRecord[bytes, bytes]]]
_SHOWN = 3
_RSS_MB, _HANDLES = 450, 300  # far above what a worker takes; a leak of a short run is still seen
_TRACES = ("Traceback (most recent call last)", "Crashed reason")
_INTERRUPTED_IMPORT = re.compile(r"\ATraceback \(most recent call last\):\n(?:  .*\n)+KeyboardInterrupt\n")
"""What Python itself writes when SIGINT comes before a line of the worker has run."""
_CONTROL = (b"\x00", b"\x01")


@dataclass(frozen=True)
class Evidence:
    """Everything that is looked at, read once."""

    load: Load
    feed: Feed
    is_exact: bool  # exactly once: nothing may be told twice
    source: Topic
    changelog: Topic
    qualifications: Topic
    scores: Topic
    dead_letters: Topic
    values: Mapping[tuple[int, bytes], bytes]  # the changelog, folded
    found: Mapping[bytes, ScoreLine]  # what it says of each contact
    recounted: Recount

    @cached_property
    def missing(self) -> set[int]:
        """Numbers of the records whose fate was unknown and that are not in the topic."""
        stored: Counter[bytes | None] = Counter(record.value for records in self.source.values() for record in records)
        known = Counter(
            entry.sent.value
            for entry, place in zip(self.load.entries, self.feed.places, strict=True)
            if place.offset >= 0
        )
        left = stored - known
        gone = set()
        for number in self.feed.unknown:
            value = self.load.entries[number].sent.value
            if left[value] > 0:
                left[value] -= 1
            else:
                gone.add(number)
        return gone

    @cached_property
    def tallies(self) -> dict[str, Tally]:
        """What each contact must come to."""
        return self.load.tallies(self.missing)


async def gather(cluster: Cluster, load: Load, feed: Feed) -> Evidence:
    """Read all topics and ask the recount."""
    settings, model = cluster.settings, load_model(cluster.environ["LEADSCORE_MODELS"])
    topics = (cluster.source, settings.changelog_topic, cluster.qualifications, cluster.scores, cluster.dead_letters)
    source, changelog, qualifications, scores, dead_letters = [await read_all(cluster.brokers, one) for one in topics]
    values = fold_changelog(changelog)
    contacts = dict(decode_changelog(values, (model,), settings.changelog_topic))
    recounted = recount(settings, model, source, MAX_INSTANT_MS)
    return Evidence(
        load=load,
        feed=feed,
        is_exact=settings.guarantee == "exactly_once",
        source=source,
        changelog=changelog,
        qualifications=qualifications,
        scores=scores,
        dead_letters=dead_letters,
        values=values,
        found=lines_of(contacts, model, MAX_INSTANT_MS),
        recounted=recounted,
    )


def fold_changelog(changelog: Topic, until: Mapping[int, int] | None = None) -> dict[tuple[int, bytes], bytes]:
    """Return the value of each partition and key: the one of the highest fence since its last tombstone, up to offsets *until*."""
    values: dict[tuple[int, bytes], bytes] = {}
    for number, records in changelog.items():
        for record in records:
            if until is not None and record.offset > until[number]:
                break
            place = number, record.key
            if record.value is None:
                values.pop(place, None)
            elif place not in values or fence_of(record.value) >= fence_of(values[place]):
                values[place] = record.value
    return values


# ---- I0: the broker


def check_broker(evidence: Evidence) -> list[str]:
    """What the broker acknowledged is in the topic where it said; what is unknown is there once or not at all."""
    stored = {(number, record.offset): record for number, records in evidence.source.items() for record in records}
    problems = []
    for entry, place in zip(evidence.load.entries, evidence.feed.places, strict=True):
        if place.offset >= 0:
            record = stored.get((place.partition, place.offset))
            if record is None or record.value != entry.sent.value:
                problems.append(f"I0: entry {entry.event_id} was acknowledged at {place} and is not there")
    return problems


# ---- I1: the state


class Losses(NamedTuple):
    """Over all contacts."""

    lost: int
    doubled: int


def count_losses(evidence: Evidence) -> Losses:
    """Return how many events did not count, and how many too often."""
    lost = doubled = 0
    for contact in evidence.tallies.keys() | {key.decode() for key in evidence.found}:
        tally, line = evidence.tallies.get(contact), evidence.found.get(contact.encode())
        difference = (round(line.groups["count"]) if line else 0) - (tally.events if tally else 0)
        lost, doubled = lost + max(0, -difference), doubled + max(0, difference)
    return Losses(lost, doubled)


def check_state(evidence: Evidence) -> list[str]:
    """I1: each contact's score is what the load's sums say, and what the recount says."""
    problems = []
    for contact in sorted(evidence.tallies.keys() | {key.decode() for key in evidence.found}):
        key = contact.encode()
        wanted, line, counted = (
            evidence.tallies.get(contact),
            evidence.found.get(key),
            evidence.recounted.scores.get(key),
        )
        if _as_tally(counted) != _sums(wanted):
            problems.append(f"I1: {contact}: the oracles differ: sums {_sums(wanted)}, recount {_as_tally(counted)}")
        if line != counted:
            problems.append(
                f"I1: {contact}: recount {counted}, changelog {line}; sums {_sums(wanted)}; {_inputs(evidence, key)}"
            )
    return _few(problems) + _few(_check_scores_topic(evidence))


def _check_scores_topic(evidence: Evidence) -> Iterator[str]:
    """The last row of the scores topic of each contact shows the same."""
    last = {record.key: record.value for records in evidence.scores.values() for record in records}
    for contact, tally in evidence.tallies.items():
        value = last.get(contact.encode())
        if value is None:
            yield f"I1: {contact}: no row in the scores topic"
            continue
        (row,) = orjson.loads(value)["models"].values()
        if row["score"] != tally.score or row["groups"]["count"] != tally.events:
            yield f"I1: {contact}: the scores topic shows {row['score']} of {row['groups']}, the sums are {_sums(tally)}"


def _sums(tally: Tally | None) -> tuple[int, ...] | None:
    return None if tally is None else (tally.events, tally.waves, tally.forms, tally.score)


def _as_tally(line: ScoreLine | None) -> tuple[int, ...] | None:
    if line is None:
        return None
    groups = line.groups
    return round(groups["count"]), round(groups["waves"]), round(groups["forms"]), round(line.score)


def _inputs(evidence: Evidence, key: bytes) -> str:
    """Return where the records of a contact lie, and the fence of its value."""
    home = partition_of(key, PARTITIONS)
    offsets = [record.offset for record in evidence.source[home] if record.key == key]
    value = evidence.values.get((home, key))
    rows = [
        (record.offset, tuple(fence_of(record.value)))
        for record in evidence.changelog[home]
        if record.key == key and record.value is not None
    ]
    return (
        f"partition {home}, offsets {offsets[:4]}..{offsets[-12:]}, fence {tuple(fence_of(value)) if value else None}, "
        f"last rows (offset, fence) {rows[-4:]}"
    )


# ---- I2: the books


def check_books(evidence: Evidence, watch: Watch) -> list[str]:
    """I2: what was received met exactly one fate, in every look at every worker; and dead letters are the poison, whole."""
    problems = [problem for problem in watch.problems if problem.startswith("I2")]
    found: defaultdict[tuple[int, int], list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
    for number, records in evidence.dead_letters.items():
        for record in records:
            found[number, int(dict(record.headers)["__connect.errors.offset"])].append(record)
    wanted = {
        (place.partition, place.offset): entry
        for entry, place in zip(evidence.load.entries, evidence.feed.places, strict=True)
        if entry.example is not None and place.offset >= 0
    }
    problems += [
        f"I2: the good record at {place} was dead-lettered: {dict(found[place][0].headers)}"
        for place in found.keys() - wanted.keys()
        if not evidence.feed.unknown
    ]
    for place, entry in wanted.items():
        letters = found.get(place, [])
        assert entry.example is not None
        if not letters or (evidence.is_exact and len(letters) > 1):
            problems.append(f"I2: the record at {place} ({entry.example.name}) has {len(letters)} dead letters")
        for letter in letters:
            said = dict(letter.headers)
            is_whole = (letter.key, letter.value) == (entry.sent.key, entry.sent.value)
            is_whole = is_whole and tuple(letter.headers[: len(entry.sent.headers)]) == tuple(entry.sent.headers)
            if not is_whole or said["leadscore.error.code"] != entry.example.code.encode():
                problems.append(f"I2: the dead letter of {place} ({said[EXAMPLE_HEADER]!r}) is not as received: {said}")
    return _few(problems)


# ---- I3: what sales is told


class Outputs(NamedTuple):
    """The qualifications topic beside the recount."""

    missing: int
    repeated: int
    problems: list[str]


def check_outputs(evidence: Evidence) -> Outputs:
    """I3: distinct ids are those of both oracles, no id has two payloads, each contact's are in order; exactly once none repeats."""
    wanted = {
        output.value: output
        for outputs in evidence.recounted.transitions.values()
        for output in outputs
        if output.value
    }
    first: dict[str, ConsumerRecord[bytes, bytes]] = {}
    repeated, problems = 0, []
    for number, records in evidence.qualifications.items():
        for record in records:
            told = orjson.loads(record.value)
            known = first.get(told["id"])
            if known is None:
                first[told["id"]] = record
            else:
                repeated += 1
                if (known.key, known.value, known.headers) != (record.key, record.value, record.headers):
                    problems.append(f"I3: {told['id']} has two payloads: {known.value!r} and {record.value!r}")
            if record.key is None or partition_of(record.key, PARTITIONS) != number:
                problems.append(f"I3: {told['id']} lies in partition {number}")
    values = {record.value for record in first.values()}
    missing = [value for value in wanted if value not in values]
    problems += [f"I3: never told: {value!r}" for value in missing[:_SHOWN]]
    problems += [f"I3: told, and not in the recount: {value!r}" for value in values if value not in wanted][:_SHOWN]
    problems += _few(_check_told(evidence, first.values()))
    if evidence.is_exact and repeated:
        problems.append(f"I3: {repeated} transitions were told again")
    return Outputs(len(missing), repeated, problems)


def _check_told(evidence: Evidence, records: Iterable[ConsumerRecord[bytes, bytes]]) -> Iterator[str]:
    """By the load's sums: who was told what, in which order, because of which event."""
    told: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for record in records:
        one = orjson.loads(record.value)
        told[one["contact_id"]].append((one["kind"], one["sequence"], one["event"]["id"], one["score"]))
    for contact in sorted(evidence.tallies.keys() | told.keys()):
        tally = evidence.tallies.get(contact)
        wanted = [(one.kind, one.sequence, f"{contact}-{one.number}", one.score) for one in tally.told] if tally else []
        if told.get(contact, []) != wanted:
            yield f"I3: {contact}: told {told.get(contact, [])[-4:]}, the sums say {wanted[-4:]}"


# ---- I4: the store


def check_stores(evidence: Evidence, cluster: Cluster, store: StoreUnderTest) -> list[str]:
    """I4: each partition lies in some store as the folded changelog has it, to the byte. No worker may run."""
    ends = {number: records[-1].offset for number, records in evidence.changelog.items() if records}
    homes = sorted({worker.log_file.parent for worker in cluster.lives})
    left = set(ends)
    problems, seen = [], []
    for name, contacts in store.opened(homes, cluster.name):
        for number, end in ends.items():
            contacts.open(number)
            offset = contacts.changelog_offset(number)
            seen.append(f"{name}[{number}] at {offset} of {end}")
            if offset is None or offset < end:
                continue  # moved on to somebody else
            left.discard(number)
            found = dict(contacts.iterate(number))
            wanted = {key: value for (place, key), value in evidence.values.items() if place == number}
            unequal = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
            problems += [
                f"I4: {name}[{number}] {key!r}: store {_fence(found.get(key))}, changelog {_fence(wanted.get(key))}"
                for key in unequal[:_SHOWN]
            ]
    if left:
        problems.append(f"I4: no store holds partitions {sorted(left)} up to the end: {', '.join(seen)}")
    return problems


def _fence(value: bytes | None) -> str:
    return "nothing" if value is None else f"fence {tuple(fence_of(value))}, {len(value)} bytes"


# ---- I5, I7, I8, I9


def check_commits(evidence: Evidence, watch: Watch) -> list[str]:
    """I5: commits only grew, and none lies past what is applied."""
    problems = [problem for problem in watch.problems if problem.startswith("I5")]
    rows = {number: record for (number, key), record in evidence.values.items() if key == PARTITION_KEY}
    for number, committed in watch.committed.items():
        applied = watch.applied[number] if number in rows else 0
        if committed > applied:
            problems.append(f"I5: partition {number} is committed at {committed}, applied up to {applied}")
    return problems


def check_weight(watch: Watch) -> list[str]:
    """I7: memory and handles stay far below what a leak would come to."""
    problems = []
    if watch.rss_peak_mb > _RSS_MB:
        problems.append(f"I7: a worker took {watch.rss_peak_mb:.0f} MB")
    if watch.handles_peak > _HANDLES:
        problems.append(f"I7: a worker held {watch.handles_peak} handles")
    return problems


def check_logs(cluster: Cluster) -> list[str]:
    """I8: no agent was restarted, nothing crashed into a log."""
    return [
        f"I8: {worker.log_file} holds {trace!r}"
        for worker in cluster.lives
        for trace in _TRACES
        if trace in _INTERRUPTED_IMPORT.sub("", worker.log_text())
    ]


def check_canaries(cluster: Cluster, watch: Watch) -> list[str]:
    """I9: nobody's id or mail address is in a log or on a page."""
    problems = [f"I9: {worker.log_file} names a contact" for worker in cluster.lives if CANARY in worker.log_text()]
    return problems + [f"I9: a page names a contact: {page[:80]!r}" for page in watch.pages if CANARY.encode() in page]


def _few(problems: Iterable[str]) -> list[str]:
    """Return the first few, and how many more there are."""
    listed = iter(problems)
    shown = list(islice(listed, _SHOWN))
    more = sum(1 for _ in listed)
    return [*shown, f"(and {more} more of {shown[0][:2]})"] if more else shown
