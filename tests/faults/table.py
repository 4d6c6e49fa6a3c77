"""
The table fault x store x guarantee, from lines of figures: `python -m tests.faults.table FILE...` prints it as Markdown.

A cell sums up all runs of its scenario: of counts the sum, of durations the longest.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_HEAD = (
    "fault",
    "store",
    "guarantee",
    "runs",
    "events",
    "lost",
    "doubled",
    "missing",
    "repeated",
    "failover s",
    "gap s",
    "recovery s",
)
_SUMS = ("events", "lost", "doubled", "outputs_missing", "outputs_repeated")
_LONGEST = ("failover_s", "unavailable_s", "recovery_s")

Line = Mapping[str, Any]


def table(lines: Iterable[Line]) -> str:
    """Return the table of *lines*, ordered by scenario, store and guarantee; a dash where no run tells."""
    cells: defaultdict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for line in lines:
        cells[line["scenario"], line["store"], line["guarantee"]].append(line)
    rows = [_row(cell, cells[cell]) for cell in sorted(cells)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (_HEAD, ["---"] * len(_HEAD), *rows))


def _row(cell: Sequence[str], runs: Sequence[Line]) -> list[str]:
    sums = [_known(runs, name, sum) for name in _SUMS]
    longest = [_known(runs, name, max) for name in _LONGEST]
    return [*cell, str(len(runs)), *sums, *longest]


def _known(runs: Sequence[Line], name: str, into: Any) -> str:
    known = [run[name] for run in runs if run.get(name) is not None]
    if not known:
        return "-"
    value = into(known)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def read_lines(files: Iterable[Path]) -> list[Line]:
    """Return the lines of *files* that are figures of runs with a store and a guarantee."""
    documents = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    return [one for one in documents if one.keys() >= {"scenario", "store", "guarantee"}]


if __name__ == "__main__":
    print(table(read_lines(map(Path, sys.argv[1:]))))
