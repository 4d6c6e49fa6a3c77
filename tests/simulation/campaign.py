"""Many histories, one after the other: how many a minute, and of each kind of failure the shortest one found."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson

from tests.simulation.plan import as_data, of_data, random_history
from tests.simulation.running import failure_of, run_history, shortened
from tests.simulation.world import Broken
from worker.clock import Deadline, cpu_seconds, monotonic

_COLLECT_EVERY = 200
_SEEDS_A_CAMPAIGN = 1_000_000_000
_KIND = 24  # letters of a failure that say what kind it is


def main(arguments: Sequence[str]) -> int:
    """Run histories for some minutes, or one again; exit 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="first history; those after it follow from it")
    parser.add_argument("--guarantee", choices=("exactly_once", "at_least_once"), help="only this one")
    parser.add_argument("--again", type=int, metavar="SEED", help="tell what happens in one history")
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="tell what happens in the history in FILE, as written below"
    )
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if options.again is not None or options.file is not None:
        history = (
            of_data(orjson.loads(options.file.read_bytes()))
            if options.file
            else random_history(options.again, options.guarantee)
        )
        print(history)
        try:
            print(run_history(history, print))
        except Broken as broken:
            print(f"BROKEN: {broken}")
            return 1
        return 0
    return _campaign(options.minutes, options.seed * _SEEDS_A_CAMPAIGN, options.guarantee)


def _campaign(minutes: float, first: int, guarantee: str | None) -> int:
    deadline, began, cpu_began = Deadline(60 * minutes), monotonic(), cpu_seconds()
    failures: Counter[str] = Counter()
    histories = events = deaths = generations = 0
    gc.disable()
    try:
        while not deadline.has_passed:
            history = random_history(first + histories, guarantee)
            histories += 1
            try:
                outcome = run_history(history)
            except Broken as broken:
                kind = str(broken)[:_KIND]
                failures[kind] += 1
                if failures[kind] == 1:
                    print(f"seed {history.seed}: {str(broken)[:300]}", flush=True)
                    shorter = shortened(history, lambda found, kind=kind: found[:_KIND] == kind)  # type: ignore[misc]
                    print(orjson.dumps(as_data(shorter)).decode(), f"\n{failure_of(shorter)[:300]}", flush=True)
            else:
                events, deaths, generations = (
                    events + outcome.events,
                    deaths + outcome.deaths,
                    generations + outcome.generations,
                )
            if histories % _COLLECT_EVERY == 0:
                gc.collect()
    finally:
        gc.enable()
    seconds, cpu = monotonic() - began, cpu_seconds() - cpu_began
    print(
        f"{histories} histories from seed {first} on: {histories / seconds * 60:.0f} a minute, {histories / cpu * 60:.0f} a CPU minute; "
        f"{events} events, {deaths} processes ended by themselves, {generations} generations; {sum(failures.values())} broken"
    )
    for kind, number in failures.most_common():
        print(f"{number:>8}  {kind}", file=sys.stderr)
    return 1 if failures else 0
