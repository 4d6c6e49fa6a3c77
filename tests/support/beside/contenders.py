"""Who is measured, each as a program that reads one topic, writes another and logs its state to a third."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from tests.support.beside import streams

ROOT = Path(__file__).parents[3]
BARE = ROOT / "tests" / "bench" / "bare.yaml"
Tells = Literal["ready", "transitions"]


class Place(NamedTuple):
    """Where a contender works."""

    brokers: str
    group: str
    source: str
    target: str
    directory: Path  # its own; what it keeps on disk lies there

    @property
    def changelog(self) -> str:
        """The topic of its state, for those that do not name it themselves."""
        return f"{self.group}-changelog"


@dataclass(frozen=True)
class Program:
    """A command with its environment, and the topic that it logs its state to."""

    command: Sequence[str]
    environ: Mapping[str, str]
    changelog: str
    makes_changelog: bool = True  # else the bench does


@dataclass(frozen=True)
class Contender:
    """
    One row of the comparison.

    *share* is what part of the events it is given (at least *least_events*): those that would take too long get fewer, and contacts in
    proportion. *model* is what it scores by: "bare", or a shipped model that only the worker knows.
    """

    name: str
    what: str
    program: Callable[[Place], Program] = field(repr=False)
    tells: Tells = "ready"
    model: str = "bare"
    share: float = 1.0
    missing: Callable[[], str] = field(default=lambda: "", repr=False)  # why it cannot run here; empty: it can

    def events_of(self, events: int) -> int:
        """Return how many events it gets when the others get *events*."""
        return events if self.share == 1.0 else min(events, max(20_000, round(events * self.share)))


def _environ(place: Place) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEADSCORE_", "BENCH_"))}
    told = {
        "BENCH_BROKERS": place.brokers,
        "BENCH_GROUP": place.group,
        "BENCH_SOURCE": place.source,
        "BENCH_TARGET": place.target,
        "BENCH_CHANGELOG": place.changelog,
        "BENCH_DIRECTORY": str(place.directory),
    }
    return kept | told | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def worker(place: Place, *, guarantee: str, model: str, settings: Mapping[str, str] | None = None) -> Program:
    """Return the worker with defaults but for what it must be told; *settings* are `LEADSCORE_*` over these."""
    environ = {
        "LEADSCORE_BROKERS": place.brokers,
        "LEADSCORE_APP_ID": place.group,
        "LEADSCORE_INPUT_TOPIC": place.source,
        "LEADSCORE_QUALIFICATIONS_TOPIC": place.target,
        "LEADSCORE_SCORES_TOPIC": "",
        "LEADSCORE_MODELS": model,
        "LEADSCORE_GUARANTEE": guarantee,
        "LEADSCORE_TIME": "stream",
        "LEADSCORE_STORE": f"rocksdb://{place.directory}",
        "LEADSCORE_CREATE_TOPICS": "true",
        "LEADSCORE_REPLICATION": "1",
        "LEADSCORE_ERASURE_KEY": "0123456789abcdef0123456789abcdef",
        "LEADSCORE_WEB_PORT": "0",
    }
    return Program(
        command=[sys.executable, "-m", "worker.cli.main", "run"],
        environ=_environ(place) | environ | dict(settings or {}),
        changelog=f"{place.group}-contacts-changelog",
    )


def floor(place: Place) -> Program:
    """Return the plain aiokafka loop."""
    return Program(
        command=[sys.executable, "-m", "tests.support.beside.floor"],
        environ=_environ(place),
        changelog=place.changelog,
        makes_changelog=False,
    )


def agent(place: Place) -> Program:
    """Return the stock Faust agent."""
    return Program(
        command=[sys.executable, "-m", "tests.support.beside.agent", "worker", "--without-web", "--loglevel=warn"],
        environ=_environ(place),
        changelog=f"{place.group}-scores-changelog",
    )


def kafka_streams(place: Place, *, guarantee: str, ids: int = 64) -> Program:
    """Return the Kafka Streams program, with *guarantee* and all else as its makers ship it."""
    return Program(
        command=streams.command(),
        environ=_environ(place) | {"BENCH_GUARANTEE": guarantee, "BENCH_IDS": str(ids)},
        changelog=f"{place.group}-{streams.STORE}-changelog",
    )


def _workers() -> list[Contender]:
    made = []
    for short, guarantee in (("eos", "exactly_once"), ("alo", "at_least_once")):
        for name, model in (("worker", str(BARE)), ("simple", "simple-100")):
            called = "bare" if name == "worker" else model
            made.append(
                Contender(
                    name=f"{name}-{short}",
                    what=f"worker, {called}, {guarantee}",
                    program=partial(worker, guarantee=guarantee, model=model),
                    tells="transitions",
                    model=called,
                )
            )
    return made


def _with_scores() -> Contender:
    """Return the worker as it is shipped, which publishes every contact's score too."""

    def program(place: Place) -> Program:
        settings = {"LEADSCORE_SCORES_TOPIC": f"{place.group}-scores"}
        return worker(place, guarantee="exactly_once", model="simple-100", settings=settings)

    what = "worker, simple-100, exactly_once, scores published"
    return Contender("simple-eos-scores", what, program, tells="transitions", model="simple-100")


def _streams() -> list[Contender]:
    return [
        Contender(
            name=f"streams-{short}{lean}",
            what=f"Kafka Streams, {guarantee}" + (f", {ids} ids remembered instead of 64" if lean else ""),
            program=partial(kafka_streams, guarantee=guarantee, ids=ids),
            missing=streams.missing,
        )
        for lean, ids in (("", 64), ("-lean", 24))
        for short, guarantee in (("eos", "exactly_once_v2"), ("alo", "at_least_once"))
    ]


CONTENDERS: Mapping[str, Contender] = {
    one.name: one
    for one in (
        *_workers(),
        _with_scores(),
        *_streams(),
        Contender("floor", "plain aiokafka loop, dict, no guarantee", floor),
        Contender("faust", "stock Faust agent, RocksDB", agent, share=0.05),
    )
}
