"""The worker's status for its web pages and metrics."""

from __future__ import annotations

import asyncio
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from worker.clock import now_ms
from worker.stream.lag import lag_of
from worker.web.status import ModelStatus, PartitionStatus, Status

if TYPE_CHECKING:
    from worker.scoring.model import Model
    from worker.stream.app import WorkerApp

_INTERVAL_S = 1.0
_SILENCE_S = 15


def release() -> str:
    """Return the version of this distribution."""
    try:
        return version("lead-scoring-worker")
    except PackageNotFoundError:
        return "0"


def status_of(app: WorkerApp, models: tuple[Model, ...]) -> Status:
    """Return where *app* stands right now; reads memory only."""
    settings, assignment = app.settings, app.assignment
    problem = _silence(app) if assignment.is_ready else _why_not_ready(app)
    return Status(
        version=release(),
        app_id=settings.app_id,
        topic=settings.input_topic,
        guarantee=settings.guarantee,
        is_live=True,  # a worker that is not ends by itself
        is_ready=not problem,
        problem=problem,
        partitions=tuple(_partitions(app)),
        models=tuple(ModelStatus(name=model.name, version=model.version, digest=model.digest) for model in models),
    )


async def report_lag(app: WorkerApp) -> None:
    """Write lag, size of the store and restore progress into the metrics each second, until cancelled."""
    while True:
        app.observer.lag(app.assignment.owned.values(), now_ms())
        for number in app.assignment.owned:
            app.observer.store_size(number, app.contacts.size_bytes(number))
        if app.assignment.restore is not None:
            app.observer.restore_going_on(app.assignment.restore)
        await asyncio.sleep(_INTERVAL_S)


def _silence(app: WorkerApp) -> str:
    """Return that the broker has not answered any poll for long; empty when it has, or nothing is owned."""
    polls = [one.progress.polled_ms for one in app.assignment.owned.values() if one.progress is not None]
    silent_s = (now_ms() - max(polls)) // 1000 if polls else 0
    return f"no broker has answered for {silent_s} s" if silent_s > _SILENCE_S else ""


def _why_not_ready(app: WorkerApp) -> str:
    if not app.assignment.awaited:
        return "waiting for the group"
    if any(one.is_carrying_over for one in app.assignment.owned.values()):
        return "carrying stored contacts over to a new version of a model"
    return "restoring state from the changelog"


def _partitions(app: WorkerApp) -> list[PartitionStatus]:
    assignment = app.assignment
    restored = assignment.restore.partitions if assignment.restore is not None else {}
    found = []
    for number in sorted(assignment.awaited):
        one = assignment.owned.get(number)
        restore = restored.get(number)
        rows = restore.rows if restore is not None else 0
        if one is None:
            remaining = max(0, restore.target - restore.position) if restore is not None else None
            phase = "waiting" if restore is None else "restoring"
            found.append(
                PartitionStatus(partition=number, phase=phase, restored_rows=rows, restore_remaining=remaining)  # type: ignore[arg-type]
            )
            continue
        lag = lag_of(one, now_ms())
        found.append(
            PartitionStatus(
                partition=number,
                phase="carrying_over" if one.is_carrying_over else "running",
                position=one.next_offset,
                lag_records=None if lag is None else lag.records,
                lag_seconds=None if lag is None else round(lag.seconds, 3),
                restored_rows=rows,
                restore_remaining=0,
            )
        )
    return found
