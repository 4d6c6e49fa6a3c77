"""What a replay says of a history, and how what the workers wrote differs from it: counted, and with the contacts named."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiokafka.structs import ConsumerRecord

from tests.support.cluster import PARTITIONS, leadscore
from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import format_instant, parse_instant
from worker.contracts.partitioner import partition_of
from worker.export import transition_line, transitions_jsonl
from worker.replay import replay_lines
from worker.scoring.model import Model
from worker.scoring.model_file import load_model
from worker.scoring.reading import shown

Records = Mapping[int, Sequence[ConsumerRecord[bytes, bytes]]]
_SHOWN = 5


class Expected(NamedTuple):
    """A history and its replay."""

    lines: Sequence[bytes]
    source: str  # of the model: a shipped name or a file
    model: Model
    scores: bytes  # scores.csv
    transitions: bytes  # transitions.jsonl
    end_ms: int


async def replayed(lines: Sequence[bytes], model: str, directory: Path, *, end_ms: int | None = None) -> Expected:
    """
    Replay *lines* by the command line.

    Args:
        lines: The history, in order of time.
        model: A shipped name or a file.
        directory: Where its files go.
        end_ms: The instant to read at; None for that of the newest event.
    """
    file = _written(lines, directory)
    if end_ms is None:
        end_ms = max(decode_event(line, None).occurred_at for line in lines)
    await leadscore(
        *("replay", str(file), "--model", model, "--as-of", format_instant(end_ms)),
        *("--out", str(directory), "--limit", "1"),
        directory=directory,
    )
    scores, transitions = (directory / "scores.csv").read_bytes(), (directory / "transitions.jsonl").read_bytes()
    return Expected(lines, model, load_model(model), scores, transitions, end_ms)


async def replayed_together(
    lines: Sequence[bytes], models: Sequence[str], directory: Path, *, end_ms: int
) -> list[Expected]:
    """Replay *lines*, in their order of arrival, under several *models* at once; one part for each."""
    file = _written(lines, directory)
    named = [part for model in models for part in ("--model", model)]
    await leadscore(
        *("replay", str(file), *named, "--as-of", format_instant(end_ms), "--out", str(directory), "--limit", "1"),
        directory=directory,
    )
    parts = []
    for source in models:
        model = load_model(source)
        folder = directory / model.name
        scores, transitions = (folder / "scores.csv").read_bytes(), (folder / "transitions.jsonl").read_bytes()
        parts.append(Expected(lines, source, model, scores, transitions, end_ms))
    return parts


def _written(lines: Sequence[bytes], directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "history.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


# ---- scores.csv


def differing_rows(expected: bytes, found: bytes) -> list[str]:
    """Return a line for each contact whose row differs, or is there only once."""
    rows, others = _rows(expected), _rows(found)
    names = sorted(rows.keys() | others.keys())
    return [
        f"{name}: replay {rows.get(name)}, workers {others.get(name)}"
        for name in names
        if rows.get(name) != others.get(name)
    ]


def _rows(text: bytes) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in csv.reader(io.StringIO(text.decode()))}


# ---- transitions


class Told(NamedTuple):
    """The qualifications topic beside the replay."""

    records: int
    lost: list[str]  # in the replay, not in the topic
    doubled: list[str]  # in the topic, not in the replay: another number, score or instant under an id of its own
    repeated: int  # records whose id was there before
    unequal: list[str]  # repeats that differ from the first
    misplaced: list[str]  # records in another partition, or under another key, than their contact says


def compare_told(expected: Expected, found: Records) -> Told:
    """Compare the records *found* in the qualifications topic, one by one, with the replay's transitions."""
    first: dict[str, tuple[object, ...]] = {}
    repeated, unequal, misplaced = 0, [], []
    for number, records in found.items():
        for record in records:
            told = orjson.loads(record.value)
            key = told["contact_id"].encode()
            if record.key != key or partition_of(key, PARTITIONS) != number:
                misplaced.append(f"{told['id']} in partition {number}")
            headers = tuple(sorted(record.headers))
            if dict(record.headers).get("ce_id") != told["id"].encode():
                unequal.append(f"{told['id']}: ce_id differs")
            content = (record.key, record.value, headers)
            if told["id"] in first:
                repeated += 1
                if first[told["id"]] != content:
                    unequal.append(f"{told['id']}: {first[told['id']][1]!r} and then {record.value!r}")
            first.setdefault(told["id"], content)
    lines = Counter(_canonical(transition_line(value)) for _, value, _ in first.values() if isinstance(value, bytes))
    wanted = Counter(expected.transitions.splitlines())
    return Told(
        records=sum(map(len, found.values())),
        lost=[line.decode() for line in (wanted - lines).elements()],
        doubled=[line.decode() for line in (lines - wanted).elements()],
        repeated=repeated,
        unequal=unequal,
        misplaced=misplaced,
    )


def _canonical(line: Mapping[str, Any]) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_SORT_KEYS)


def as_file(found: Records) -> bytes:
    """Return the records of the qualifications topic as `transitions.jsonl` has them."""
    return transitions_jsonl(record.value for records in found.values() for record in records)


def of_model(found: Records, name: str) -> Records:
    """Return the records of the qualifications topic that the model *name* told."""
    return {
        number: [record for record in records if orjson.loads(record.value)["model"] == name]
        for number, records in found.items()
    }


def without_coordinates(values: Iterable[bytes]) -> Counter[bytes]:
    """Count whole transitions by all that they say, but where the event that led to them lay."""
    counted: Counter[bytes] = Counter()
    for value in values:
        told = orjson.loads(value)
        if "event" in told:
            told["event"] = told["event"]["id"]
        counted[_canonical(told)] += 1
    return counted


# ---- the scores topic


class Row(NamedTuple):
    """One model's part of a record of the scores topic."""

    contact: bytes
    as_of_ms: int
    row: dict[str, Any]
    is_last: bool  # of its contact


class RowCheck(NamedTuple):
    """How many rows were read again, and which of them a replay reads otherwise."""

    records: int
    checked: int
    in_ties: int  # read while further events of the same contact and ms were still to come
    wrong: list[str]


def check_rows(expected: Expected, found: Records, *, sample: int, seed: int) -> RowCheck:
    """
    Read each contact's last row, and *sample* others, again by a replay as of the row's own instant.

    A round may end between two events of one contact and millisecond. A row that was read there equals a replay without
    the later of the two; only the last row of a contact must hold everything.
    """
    events: defaultdict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    for line in expected.lines:
        event = decode_event(line, None)
        events[event.contact_id.encode()].append((event.occurred_at, line))
    rows = list(_rows_of(expected.model, found))
    others = [row for row in rows if not row.is_last]
    chosen = random.Random(seed).sample(others, min(sample, len(others)))
    chosen += [row for row in rows if row.is_last]
    wrong, in_ties = [], 0
    for row in chosen:
        readings = _readings(expected.model, events[row.contact], row)
        seen = _comparable(row.row)
        if seen == next(readings, None):
            continue
        if not row.is_last and seen in readings:
            in_ties += 1
        else:
            right = next(_readings(expected.model, events[row.contact], row), None)
            wrong.append(f"{row.contact.decode()} as of {row.as_of_ms}: replay {right}, workers {seen}")
    return RowCheck(len(rows), len(chosen), in_ties, wrong)


def _rows_of(model: Model, found: Records) -> Iterator[Row]:
    for records in found.values():
        last = {record.key: record.offset for record in records}
        for record in records:
            assert record.key is not None
            if record.value is None:
                continue  # the contact was erased
            row = orjson.loads(record.value)["models"].get(model.name)
            if row is not None:
                yield Row(record.key, parse_instant(row["as_of"]), row, last[record.key] == record.offset)


def _readings(model: Model, events: Sequence[tuple[int, bytes]], row: Row) -> Iterator[tuple[object, ...] | None]:
    """Yield what a replay reads at the row's instant: with all events up to it, then without the last ones of that very ms."""
    until = [line for at_ms, line in events if at_ms <= row.as_of_ms]
    ties = sum(at_ms == row.as_of_ms for at_ms, _ in events)
    for left_out in range(max(1, ties)):
        result = replay_lines([model], until[: len(until) - left_out], row.as_of_ms)
        lines = result.scores.get(model.name, [])
        if not lines:
            yield None
            continue
        (line,) = lines
        groups = {name: shown(model, value) for name, value in line.groups.items()}
        yield (line.shown, line.tier, line.latch, groups, model.version, model.digest)


def _comparable(row: Mapping[str, Any]) -> tuple[object, ...]:
    return (row["score"], row.get("tier", ""), row["status"], row["groups"], row["version"], row["digest"])


def listed(lines: Iterable[str]) -> str:
    """Return the first few of *lines*, for the text of a failure."""
    return "\n".join(islice(lines, _SHOWN))
