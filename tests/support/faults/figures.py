"""The figures of one run: what was done to whom, what it cost, and whether anything was lost."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

MB = 1024 * 1024
FILE = "LEADSCORE_FAULT_FIGURES"
"""The variable that names a file to which the figures of each run are added, a line of JSON each."""
_named = os.environ.get(FILE)  # tests see a cleaned environment


@dataclass(kw_only=True)
class Figures:
    """
    One run. *lost*, *doubled* and *outputs_missing* must be 0; *outputs_repeated* too with exactly_once.

    None: this run does not tell.
    """

    scenario: str
    store: str
    guarantee: str
    seed: int
    events: int = 0
    unknown: int = 0  # records of which the broker did not say that it took them
    faults: list[str] = field(default_factory=list)
    lost: int | None = None  # events that did not count
    doubled: int | None = None  # events that counted more than once
    outputs: int = 0
    outputs_missing: int | None = None
    outputs_repeated: int | None = None
    failover_s: float | None = None  # worker killed or frozen -> all its partitions have moved under somebody
    unavailable_s: float | None = None  # longest time in which records of a partition waited and it did not move
    recovery_s: float | None = None  # everything healed and sent -> lag 0
    restore_rows_s: float | None = None
    rss_peak_mb: float | None = None
    rebalances: int = 0
    restarts: int = 0
    seconds: float = 0.0
    more: dict[str, object] = field(default_factory=dict)  # what only this scenario measures

    def as_document(self) -> dict[str, object]:
        """Return them by name, rounded."""
        document = asdict(self)
        more = document.pop("more")
        return {
            name: round(value, 2) if isinstance(value, float) else value for name, value in (document | more).items()
        }


def append_line(document: dict[str, object]) -> str:
    """Return *document* as a line of JSON, and add it to the file that LEADSCORE_FAULT_FIGURES names, if it does."""
    line = json.dumps(document)
    if _named:
        with Path(_named).open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")
    return line
