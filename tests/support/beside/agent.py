"""A stock Faust agent that scores by the bare rules: one topic in, one RocksDB table, one topic out; run as a program."""

from __future__ import annotations

import os
from typing import Any

import faust

from tests.support.bench_events import PARTITIONS
from tests.support.beside.rules import apply_event, new_state

TABLE = "scores"


class Interaction(faust.Record, serializer="json"):
    """The event, as Faust reads it."""

    id: str
    contact_id: str
    type: str
    occurred_at: int
    source: str
    properties: dict[str, Any]


def build_app(brokers: str, group: str, source: str, target: str, directory: str) -> faust.App:
    """Return the app as Faust's manual writes it: the transport, the table and the settings are stock."""
    app = faust.App(
        group,
        broker=f"kafka://{brokers}",
        store="rocksdb://",
        datadir=directory,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
    )
    events = app.topic(source, key_type=str, value_type=Interaction)
    ready = app.topic(target, key_type=str, value_serializer="json")
    states = app.Table(TABLE, partitions=PARTITIONS, options={"driver": "rocksdict"})

    @app.agent(events)
    async def score(stream: Any) -> None:
        async for contact, event in stream.items():
            state = states.get(contact) or new_state()
            found = apply_event(state, event.asdict())
            if found is None:
                continue
            states[contact] = state
            if found is not False:
                told = {"contact_id": contact, "event_id": event.id, "at": event.occurred_at, "score": found}
                await ready.send(key=contact, value=told)

    return app


if __name__ == "__main__":
    build_app(*(os.environ[f"BENCH_{name}"] for name in ("BROKERS", "GROUP", "SOURCE", "TARGET", "DIRECTORY"))).main()
