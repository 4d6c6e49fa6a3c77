"""The worker's status for its web pages and metrics."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from worker.clock import now_ms
from worker.contracts.instants import format_instant
from worker.errors import StoreUnavailable
from worker.stream.lag import lag_of
from worker.web.status import ModelStatus, PartitionStatus, RestoreStatus, Status

if TYPE_CHECKING:
    from worker.scoring.model import Model
    from worker.stream.app import WorkerApp

_INTERVAL_S = 1.0


def release() -> str:
    """Return the version of this distribution."""
    try:
        return version("lead-scoring-worker")
    except PackageNotFoundError:
        return "0"


def status_of(app: WorkerApp, models: tuple[Model, ...]) -> Status:
    """Return where *app* stands right now; reads memory only."""
    settings, assignment = app.settings, app.assignment
    problem = _silence(app) or _store_away(app) or (_stopped(app) if assignment.is_ready else _why_not_ready(app))
    return Status(
        version=release(),
        app_id=settings.app_id,
        topic=settings.input_topic,
        guarantee=settings.guarantee,
        is_live=True,  # a worker that is not ends by itself
        is_ready=not problem,
        problem=problem,
        topic_partitions=assignment.partitions or None,
        partitions=tuple(_partitions(app)),
        models=tuple(ModelStatus(name=model.name, version=model.version, digest=model.digest) for model in models),
        restore=_restore(app),
    )


async def report_lag(app: WorkerApp) -> None:
    """Write lag, size of the store and restore progress into the metrics each second, and let the store tidy up, until cancelled."""
    while True:
        app.observer.group_silence(app.lease.silent_s)
        app.observer.lag(app.assignment.owned.values(), now_ms())
        app.observer.store_away(app.access.away_s)
        app.observer.stopped(app.assignment.owned.values())
        with suppress(StoreUnavailable):  # whoever works with it waits for it, and asks again
            for number in () if app.access.is_away else app.assignment.owned:
                app.observer.store_size(number, app.contacts.size_bytes(number))
                app.contacts.tidy(number)
        if app.assignment.restore is not None:
            app.observer.restore_going_on(app.assignment.restore)
        await asyncio.sleep(_INTERVAL_S)


def _silence(app: WorkerApp) -> str:
    """Return that no broker answers, and since when; empty when heartbeats are answered, or none are sent as we join."""
    silent_s, is_member = app.lease.silent_s, app.assignment.is_ready or app.assignment.awaited
    if not is_member or not app.lease.is_stale:
        return ""
    since = format_instant(now_ms() - round(silent_s * 1000))
    return (
        f"no broker has answered since {since} ({silent_s:.0f} s); it waits, nothing is lost: check brokers and network"
    )


def _store_away(app: WorkerApp) -> str:
    """Return that the store does not answer, and for how long; empty when it does."""
    if not app.access.is_away:
        return ""
    return f"the store has not answered for {app.access.away_s:.0f} s; it waits, nothing is lost: check what LEADSCORE_STORE names"


def _stopped(app: WorkerApp) -> str:
    """Return which partitions stand still until an operator has decided; empty when none does."""
    stops = [(one.number, one.stopped) for one in app.assignment.owned.values() if one.stopped is not None]
    return "; ".join(
        f"partition {number} stopped at offset {why.offset}: {why.problem}; {why.fix}" for number, why in stops
    )


def _why_not_ready(app: WorkerApp) -> str:
    if not app.assignment.awaited:
        return "waiting for the group"
    if any(one.is_carrying_over for one in app.assignment.owned.values()):
        return "carrying stored contacts over to a new version of a model"
    restore = app.assignment.restore
    left_s = None if restore is None else restore.progress.seconds_left
    return "restoring state from the changelog" + ("" if left_s is None else f", about {left_s:.0f} s left")


def _restore(app: WorkerApp) -> RestoreStatus | None:
    restore = app.assignment.restore
    if restore is None:
        return None
    progress = restore.progress
    left_s = progress.seconds_left
    return RestoreStatus(
        rows=progress.rows,
        remaining=progress.remaining,
        rows_per_second=round(progress.rows_per_second),
        seconds=round(progress.seconds, 3),
        seconds_left=None if left_s is None else round(left_s),
    )


def _partitions(app: WorkerApp) -> list[PartitionStatus]:
    assignment = app.assignment
    restored = assignment.restore.partitions if assignment.restore is not None else {}
    found = []
    for number in sorted(assignment.awaited):
        one = assignment.owned.get(number)
        restore = restored.get(number)
        rows, total = (restore.rows, restore.total) if restore is not None else (0, None)
        if one is None:
            found.append(
                PartitionStatus(
                    partition=number,
                    phase="waiting" if restore is None else "restoring",
                    restored_rows=rows,
                    restore_total=total,
                    restore_remaining=None if restore is None else restore.remaining,
                )
            )
            continue
        lag = lag_of(one, now_ms())
        found.append(
            PartitionStatus(
                partition=number,
                phase="stopped" if one.stopped else "carrying_over" if one.is_carrying_over else "running",
                position=one.next_offset,
                lag_records=None if lag is None else lag.records,
                lag_seconds=None if lag is None else round(lag.seconds, 3),
                restored_rows=rows,
                restore_total=total,
                restore_remaining=0,
            )
        )
    return found
