"""One worker process from its settings to its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from worker import metrics as catalogue
from worker.clock import Deadline
from worker.errors import RestartRequired
from worker.kafka import topics
from worker.kafka.refusals import watch_refusals
from worker.logs import configure, log_event
from worker.memory import calm_garbage_collector, leave_memory_to_the_end
from worker.metrics import Metrics
from worker.pipeline import IS_COMPILED
from worker.scoring.model_file import load_models
from worker.settings import require_for_run
from worker.stream.app import Parts, WorkerApp, create_app
from worker.stream.contact_page import contact_page
from worker.stream.exposure import warn_of_exposure
from worker.stream.fatal import exit_code_of, log_end
from worker.stream.reporting import report_lag, status_of
from worker.stream.standstill import Standstill, ask_ends
from worker.stream.watchdog import LoopGuard, Watchdog
from worker.web.server import WebServer

if TYPE_CHECKING:
    from worker.scoring.model import Model
    from worker.settings import Settings

_log = logging.getLogger(__name__)


def run_worker(
    settings: Settings,
    *,
    parts: Parts | None = None,
    connect_within_s: float = topics.CONNECT_WITHIN_S,
    one_signal_s: float = 0.0,
) -> int:
    """
    Run a worker until it is told to stop, and return its exit code.

    0 stopped by SIGTERM or SIGINT, 69 no broker answers, 70 start me again, 78 configuration, model or state cannot be
    used. What must not go on for a moment longer ends the process by itself, with the same codes.

    Args:
        settings: Where and how to run.
        parts: What a test replaces.
        connect_within_s: How long to wait for a broker at start.
        one_signal_s: Signals that come within so long of the first one count as the same: a service manager may tell all
            processes of a service to stop, and then a supervisor passes on what it was told itself.
    """
    configure(settings.log_format, settings.log_level)
    try:
        require_for_run(settings)
        models = () if parts is not None and parts.pipeline is not None else load_models(settings.models)
        calm_garbage_collector()
        return asyncio.run(_run(settings, models, parts or Parts(), connect_within_s, one_signal_s))
    except Exception as error:  # noqa: BLE001 - the supervisor has to see "start me again", whatever it was
        return log_end(error)
    finally:
        leave_memory_to_the_end()


async def _run(
    settings: Settings, models: tuple[Model, ...], parts: Parts, connect_within_s: float, one_signal_s: float
) -> int:
    stop = _stop_on_signals(one_signal_s)
    warn_of_exposure(settings, os.environ)
    if not await _unless(stop, topics.ensure(settings, within_s=connect_within_s)):
        return 0
    app = create_app(settings, models=models, metrics=Metrics(), parts=parts)
    app.contacts.claim()  # before joining the group: a worker that cannot keep state must not take partitions from one that can
    for model in models:
        code = f"{model.version} {model.digest[:12]}"
        app.metrics.set(catalogue.MODELS, 1, model=model.name, code=code)
    web = WebServer(settings, lambda: status_of(app, models), app.metrics, contact_page(app, models))
    await web.start()
    log_event(
        _log,
        logging.INFO,
        "worker_starts",
        app_id=settings.app_id,
        guarantee=settings.guarantee,
        compiled=IS_COMPILED,
        topic=settings.input_topic,
        web_port=web.port,
        models=[f"{model.name} {model.version}" for model in models],
    )
    try:
        return await _serve(app, stop)
    finally:
        await web.stop()


async def _serve(app: WorkerApp, stop: asyncio.Event) -> int:
    """Run *app* until *stop* is set or one of its parts ends."""
    app.in_worker = True
    starting = asyncio.create_task(app.start(), name="start")
    watchdog = Watchdog(
        app.assignment, lambda: app.kafka_consumer, app.timers, lambda: app.lease.is_stale or app.access.is_away
    )
    guard = LoopGuard(lambda: watchdog.looked_at, app.die)
    parts = {
        starting,
        asyncio.create_task(app.timers.run(), name="timers"),
        asyncio.create_task(report_lag(app), name="lag"),
        asyncio.create_task(watchdog.run(), name="watchdog"),
        asyncio.create_task(
            Standstill(app.settings, app.assignment.owned.values, ask_ends(app.settings)).run(),
            name="standstill",
        ),
        asyncio.create_task(watch_refusals(app.settings, lambda: app.lease.is_stale), name="refusals"),
        asyncio.create_task(app.wait_until_stopped(), name="crash"),
    }
    stopping = asyncio.create_task(stop.wait(), name="stop")
    running = set(parts)
    guard.start()
    failure: BaseException | None = None
    while not stop.is_set() and failure is None:
        done, _ = await asyncio.wait({stopping, *running}, return_when=asyncio.FIRST_COMPLETED)
        running -= done
        failure = next((_failure(task, app) for task in done - {stopping} if _failure(task, app) is not None), None)
    if failure is not None:
        app.die(failure)
        return exit_code_of(failure)
    await _end(app, starting)
    for task in (*parts, stopping):
        task.cancel()
    await asyncio.gather(*parts, stopping, return_exceptions=True)
    guard.stop()
    log_event(_log, logging.INFO, "worker_stopped")
    return 0


async def _end(app: WorkerApp, starting: asyncio.Task[None]) -> None:
    """
    Finish the open rounds while we still are a member, then leave the group; both within the deadline.

    Rounds that do not end are begun again by whoever is next. A client that does not end, such as one that waits for a group
    that waits for others, has nothing left that could be lost.
    """
    stop_s, is_settled = app.settings.stop_timeout_ms / 1000, False
    stoppable = asyncio.create_task(app.parts_started.wait(), name="stoppable")
    app.worker_consumer.is_leaving = True
    try:
        async with asyncio.timeout(stop_s):
            # Faust hangs when it is stopped before its parts have started; a restore is waited for after that.
            await asyncio.wait({starting, stoppable}, return_when=asyncio.FIRST_COMPLETED)
            await app.settle()
            is_settled = True
            await app.stop()  # Faust stops the store's table before the consumer, so it must be settled by now
            app.contacts.close_all()
    except TimeoutError:
        if not is_settled:
            app.die(RestartRequired(what="stop", problem=f"rounds did not end within {stop_s:g} s"))
        log_event(_log, logging.WARNING, "group_not_left", seconds=stop_s)
        os._exit(0)  # the client's thread would keep the process
    except Exception as error:  # noqa: BLE001 - the client's thread would keep the process, and its partitions, for ever
        app.die(error)
    finally:
        stoppable.cancel()


def _failure(task: asyncio.Task[object], app: WorkerApp) -> BaseException | None:
    """Return why *task* ended when it should not have."""
    if task.cancelled():
        return RestartRequired(what=task.get_name(), problem="it was cancelled")
    if (error := task.exception()) is not None:
        return error
    if task.get_name() == "start":
        return None
    return app.crash_reason or RestartRequired(what=task.get_name(), problem="it has ended")


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do *work*; False when *stop* was set before it was done."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        await working
        return True
    working.cancel()
    await asyncio.wait({working})
    return False


def _stop_on_signals(one_signal_s: float) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; a second one, after *one_signal_s*, ends the process at once, with nothing lost."""
    stop = asyncio.Event()
    first = Deadline(0.0)

    def told(number: signal.Signals) -> None:
        nonlocal first
        if stop.is_set() and not first.has_passed:
            return
        if stop.is_set():
            log_event(_log, logging.WARNING, "worker_stops_at_once", signal=number.name)
            os._exit(RestartRequired.exit_code)
        log_event(_log, logging.INFO, "worker_stops", signal=number.name)
        first = Deadline(one_signal_s)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    return stop
