"""
The two files in which a scoring can be compared with another: `scores.csv` and `transitions.jsonl`.

Rows are in byte order of contact ids, transitions also by sequence and kind; numbers are written so that equal doubles, and only
those, are equal text.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from worker.contracts.instants import format_instant, parse_instant
from worker.errors import StateError
from worker.pipeline.dues import handle_due
from worker.pipeline.told import status_name
from worker.scoring.reading import read, shown, tier_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from worker.scoring.contact import Contact, ModelState
    from worker.scoring.model import Model
    from worker.scoring.state import Fold

HEADER = ("contact_id", "unscored", "score", "shown", "tier", "groups", "latch", "sequence")


class ScoreLine(NamedTuple):
    """One contact under one model, as of an instant."""

    contact_id: str
    unscored: bool
    score: float  # not rounded
    shown: float
    tier: str  # empty in a model without tiers
    groups: dict[str, float]  # clamped, not rounded
    latch: str
    sequence: int


def score_lines(contacts: Iterable[tuple[bytes, Contact]], model: Model, index: int, as_of_ms: int) -> list[ScoreLine]:
    """
    Return a line for each contact that *model*, the one at *index*, knows as of *as_of_ms*, in byte order of ids.

    What is due up to that instant is handled on the way: the latches of *contacts* move.

    Raises StateError when an event newer than *as_of_ms* is already folded into a base: no state that old is kept.
    """
    lines = []
    for key, state, fold in folds_as_of(contacts, model, index, as_of_ms):
        reading = read(model, fold, as_of_ms)
        groups = {group.name: value for group, value in zip(model.groups, reading.groups, strict=True)}
        lines.append(
            ScoreLine(
                contact_id=key.decode(),
                unscored=not fold.is_scored,
                score=reading.score,
                shown=shown(model, reading.score),
                tier=tier_name(model, reading.tier) or "",
                groups=dict(sorted(groups.items())),
                latch=status_name(state.latch),
                sequence=state.latch.sequence,
            )
        )
    return lines


def folds_as_of(
    contacts: Iterable[tuple[bytes, Contact]], model: Model, index: int, as_of_ms: int
) -> Iterator[tuple[bytes, ModelState, Fold]]:
    """
    Yield key, state and fold as of *as_of_ms* of each contact that *model*, the one at *index*, knows then, in byte order of ids.

    What is due up to that instant is handled on the way. Callers must not change the folds.

    Raises StateError when an event newer than *as_of_ms* is already folded into a base.
    """
    for key, contact in sorted(contacts, key=lambda item: item[0]):
        state = contact.models[index]
        if state is None or state.history.newest_ms is None:
            continue
        if state.history.base is None and state.history.instants[0] > as_of_ms:
            continue
        if state.history.instants[-1] <= as_of_ms:
            for _ in handle_due(model, state, as_of_ms):
                pass  # the latch moves; who wrote the state has told, or is about to tell, what follows
        fold = state.history.fold_as_of(model, as_of_ms)
        if fold is None:
            raise StateError(
                where=f"model {model.name}",
                problem=f"state as of {format_instant(as_of_ms)} is no longer kept: newer events are folded in",
                fix="ask for a later instant, or replay the history",
            )
        yield key, state, fold


def scores_csv(lines: Iterable[ScoreLine]) -> str:
    """Return *lines* as CSV with a header: booleans as `true` and `false`, doubles in their shortest form, groups as JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for line in lines:
        groups = orjson.dumps(line.groups, option=orjson.OPT_SORT_KEYS).decode()
        unscored = "true" if line.unscored else "false"
        writer.writerow(
            (
                line.contact_id,
                unscored,
                repr(line.score),
                repr(line.shown),
                line.tier,
                groups,
                line.latch,
                line.sequence,
            )
        )
    return text.getvalue()


def transition_line(value: bytes) -> dict[str, Any]:
    """Return what `transitions.jsonl` says of an encoded transition."""
    told = orjson.loads(value)
    line = {name: told.get(name) for name in ("kind", "contact_id", "epoch", "sequence", "cause", "score", "tier")}
    line["epoch"] = line["epoch"] or 0
    line["at"] = parse_instant(told["at"])
    return line


def transitions_jsonl(values: Iterable[bytes]) -> bytes:
    """Return encoded transitions as JSON lines, in byte order of contact ids, then by sequence and kind."""
    lines = [transition_line(value) for value in values]
    lines.sort(key=lambda line: (line["contact_id"].encode(), line["epoch"], line["sequence"], line["kind"]))
    return b"".join(orjson.dumps(line, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE) for line in lines)


def write_files(directory: Path, scores: str, transitions: bytes | None) -> None:
    """Write what there is into *directory*, made when absent."""
    write_file(directory / "scores.csv", scores.encode())
    if transitions is not None:
        write_file(directory / "transitions.jsonl", transitions)


def write_file(file: Path, content: bytes) -> None:
    """
    Write a file that only its owner can read, since it names contacts; its folder is made when absent.

    A file that is there is written over, and is then for its owner alone; the mode of anything else is left as it is.

    Raises:
        OSError: it cannot be written, or *file* is a folder.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            os.fchmod(opened.fileno(), 0o600)
        opened.write(content)
