"""A backlog on the broker, and what is right for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.bench_topics import preload
from tests.support.beside.contenders import BARE, Place
from tests.support.beside.events import Backlog
from tests.support.beside.truth import Verdicts
from tests.support.kafka import admin_of, create_topics, fresh
from worker.scoring.model_file import load_model


@dataclass
class Prepared:
    """Events of one size, in a topic of their own."""

    backlog: Backlog
    topic: str
    verdicts: Verdicts

    @classmethod
    async def make(cls, brokers: str, directory: Path, events: int) -> Self:
        """Make *events* events in *directory* and produce them."""
        bare, longest = load_model(str(BARE)), load_model("simple-100").lateness_ms
        backlog = Backlog(directory / f"events-{events}.jsonl", events, longest)
        topic = fresh(f"events-{events}")
        await create_topics(brokers, {topic: len(backlog.ends)}, config={"retention.ms": "-1"})
        await preload(brokers, topic, backlog.records())
        return cls(backlog, topic, Verdicts(backlog, bare.lateness_ms))


async def drop_topics(place: Place) -> None:
    """Delete every topic that the contender of *place* has written, so that the disk holds one run of each."""
    async with admin_of(place.brokers) as admin:
        await admin.delete_topics([topic for topic in await admin.list_topics() if topic.startswith(place.group)])
