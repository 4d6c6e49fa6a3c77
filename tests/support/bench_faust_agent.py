"""A stock Faust agent that scores: one topic in, one RocksDB table, one topic out; run as a program by the benchmark."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import faust

from tests.support.bench_events import PARTITIONS
from tests.support.bench_plain_scoring import apply_event, new_state

TABLE = "scores"


class Interaction(faust.Record, serializer="json"):
    """The event, as Faust reads it."""

    id: str
    contact_id: str
    type: str
    occurred_at: str
    source: str
    properties: dict[str, Any]


def build_app(app_id: str, brokers: str, source: str, target: str, directory: str) -> faust.App:
    """Return the app as Faust's manual writes it: the transport, the table and the settings are stock."""
    app = faust.App(
        app_id,
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
            at_ms = round(datetime.fromisoformat(event.occurred_at).timestamp() * 1000)
            points = apply_event(state, event.asdict(), at_ms)
            states[contact] = state
            if points is not None:
                await ready.send(key=contact, value={"contact_id": contact, "event_id": event.id, "score": points})

    return app


if __name__ == "__main__":
    build_app(*(os.environ[f"AGENT_{name}"] for name in ("APP_ID", "BROKERS", "SOURCE", "TARGET", "DIRECTORY"))).main()
