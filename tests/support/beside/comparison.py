"""One run over all contenders and sizes, in turns; each measurement is a line of JSON."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from tests.support.bench_process import machine
from tests.support.beside.contenders import CONTENDERS, Contender, Place, Program
from tests.support.beside.latency import latency_of
from tests.support.beside.measuring import BenchBroker, Drain, Refused, drain
from tests.support.beside.prepared import Prepared, drop_topics
from tests.support.beside.restoring import produce_probes, restore
from tests.support.kafka import fresh
from worker.clock import now_ms
from worker.contracts.instants import format_instant

_NO_LATENCY = ("faust",)  # its table must have as many partitions as the topic


class Comparison:
    """
    One run over all contenders and sizes.

    Args:
        broker: Where everything happens.
        directory: For backlogs and for what contenders keep on disk.
        chosen: Who takes part.
        out: Gets a line of JSON for each measurement.
        settings: `LEADSCORE_*` settings for the workers, over those of the benchmark.
        is_on_one_core: Whether contenders, not the broker, are held on the last core.
        within_s: How long one drain may take.
    """

    def __init__(
        self,
        broker: BenchBroker,
        directory: Path,
        chosen: Sequence[Contender],
        *,
        out: Path,
        settings: dict[str, str],
        within_s: float,
        is_on_one_core: bool = False,
    ) -> None:
        self._broker = broker
        self._directory = directory
        self._chosen = chosen
        self._out = out
        self._settings = settings
        self._within_s = within_s
        self._before = ["taskset", "--cpu-list", str((os.cpu_count() or 1) - 1)] if is_on_one_core else []
        self._prepared: dict[int, Prepared] = {}
        self._last: dict[str, tuple[Place, Drain]] = {}
        self._common = {"machine": machine(), "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}
        self.lines: list[dict[str, Any]] = []

    async def drains(self, events: int, sizes: Sequence[int], pairs: int) -> None:
        """Drain *events* times each of *sizes* by each contender, in turns; who begins changes from pair to pair."""
        for pair in range(pairs):
            shift = pair % len(self._chosen)
            for contender in (*self._chosen[shift:], *self._chosen[:shift]):
                for size in sizes:
                    await self._drain(contender, contender.events_of(events) * size, pair)

    async def warm_up(self, events: int) -> None:
        """Let the floor drain *events* once without a figure, so that nobody's turn pays for the broker's first steps."""
        floor, prepared = CONTENDERS["floor"], await self._backlog(events)
        place = self._place(floor, prepared.topic)
        verdict = prepared.verdicts.of(floor)
        await drain(
            floor, floor.program(place), place, prepared.backlog, verdict, self._broker, within_s=self._within_s
        )
        await drop_topics(place)

    async def _drain(self, contender: Contender, events: int, pair: int) -> None:
        prepared = await self._backlog(events)
        place = self._place(contender, prepared.topic)
        line = self._line("drain", contender) | {"events": events, "pair": pair}
        line["contacts"], line["bytes_an_event"] = prepared.backlog.contacts, round(prepared.backlog.bytes_an_event)
        program = self._program(contender, place)
        try:
            verdict = prepared.verdicts.of(contender)
            found = await drain(
                contender, program, place, prepared.backlog, verdict, self._broker, within_s=self._within_s
            )
        except Refused as refused:
            self._say(line | {"refused": str(refused)})
            return
        self._say(line | asdict(found))
        before = self._last.get(contender.name)
        if before is not None:
            await drop_topics(before[0])
        self._last[contender.name] = (place, found)

    async def restores(self) -> None:
        """Start each contender once more with an empty disk, over the changelog of its last drain."""
        for topic in {place.source for place, _ in self._last.values()}:
            prepared = next(one for one in self._prepared.values() if one.topic == topic)
            await produce_probes(self._broker.address, topic, prepared.backlog)
        for name, (place, drained) in self._last.items():
            line = self._line("restore", CONTENDERS[name])
            try:
                found = await restore(self._program(CONTENDERS[name], place), place, drained, self._broker)
            except Refused as refused:
                self._say(line | {"refused": f"{name}: {refused}"})
            else:
                self._say(line | asdict(found))

    async def latencies(self, seconds: float) -> None:
        """Measure from produce to readable at a thousand events a second."""
        for contender in self._chosen:
            if contender.name in _NO_LATENCY:
                continue
            place = self._place(contender, fresh("paced"))
            settings = self._settings | {"LEADSCORE_TIME": "wall"}
            line = self._line("latency", contender)
            program = self._program(contender, place, settings)
            try:
                found = await latency_of(program, place, self._broker, seconds=seconds)
            except Refused as refused:
                self._say(line | {"refused": f"{contender.name}: {refused}"})
            else:
                self._say(line | asdict(found))
            await drop_topics(place)

    async def _backlog(self, events: int) -> Prepared:
        if events not in self._prepared:
            print(f"making {events} events ...", file=sys.stderr, flush=True)
            self._prepared[events] = await Prepared.make(self._broker.address, self._directory, events)
        return self._prepared[events]

    def _place(self, contender: Contender, source: str) -> Place:
        group = fresh(contender.name)
        return Place(self._broker.address, group, source, f"{group}-ready", self._directory / group)

    def _program(self, contender: Contender, place: Place, settings: dict[str, str] | None = None) -> Program:
        program = contender.program(place)
        over = self._settings if settings is None else settings
        return replace(program, command=[*self._before, *program.command], environ={**program.environ, **over})

    def _line(self, kind: str, contender: Contender) -> dict[str, Any]:
        what = contender.what + (", on one core" if self._before else "")
        return {"kind": kind, "contender": contender.name, "what": what}

    def _say(self, line: dict[str, Any]) -> None:
        line = {name: round(value, 3) if isinstance(value, float) else value for name, value in line.items()}
        self.lines.append(line)
        with self._out.open("ab") as out:
            out.write(orjson.dumps(line | {"at": format_instant(now_ms())} | self._common) + b"\n")
        told = line.get("refused") or ", ".join(f"{name} {line[name]}" for name in _SHOWN[line["kind"]])
        print(f"{line['contender']}, {line['kind']}: {told}", file=sys.stderr, flush=True)


_SHOWN = {
    "drain": ("events", "us", "rate", "foreign", "peak_rss_mib"),
    "restore": ("rows", "rows_s", "us_row"),
    "latency": ("p50_ms", "p99_ms", "samples", "foreign"),
}


def chosen_from(names: str) -> list[Contender]:
    """
    Return the contenders of *names*, divided by commas, without those that cannot run here; a line says which and why.

    Raises:
        KeyError: There is no such contender.
    """
    chosen = []
    for name in names.split(","):
        contender = CONTENDERS[name]
        if why := contender.missing():
            print(f"{name} is left out: {why}", file=sys.stderr, flush=True)
        else:
            chosen.append(contender)
    return chosen
