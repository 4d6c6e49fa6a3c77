"""Wires the Faust app: its table, its transport, and what this worker puts in their place; nothing is global."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import aiokafka
import faust
from faust.types import TP
from yarl import URL

from worker.errors import RestartRequired
from worker.kafka.aiokafka_private import limit_batches
from worker.metrics import Metrics
from worker.pipeline import CacheBudget, Partition, PipelineOptions, Topics, due_of, fence_fields
from worker.pipeline.graves import grave_key_of
from worker.stores import ContactStore, open_store
from worker.stores.faust_store import table_options
from worker.stores.redis_access import RedisAccess
from worker.stream import faust_private
from worker.stream.assignment import Assignment
from worker.stream.delivery_at_least_once import AtLeastOnce
from worker.stream.delivery_exactly_once import ExactlyOnce
from worker.stream.fatal import Die, die
from worker.stream.identity import die_by_name
from worker.stream.lease import Lease, LeasedDelivery
from worker.stream.observing import Observer
from worker.stream.ports import GetMany, Pipeline
from worker.stream.restore import restore_consumer
from worker.stream.store_access import StoreAccess
from worker.stream.surroundings import RoundLimits, Surroundings
from worker.stream.timers import Timers
from worker.stream.transport import SCHEME, WorkerConsumer, WorkerProducer

if TYPE_CHECKING:
    from worker.scoring.model import Model
    from worker.settings import Settings
    from worker.stream.delivery import Delivery

_TABLE = "contacts"


@dataclass(frozen=True)
class Parts:
    """
    What a test may put in place of the real thing; None: the real thing.

    Args:
        pipeline: Scoring.
        store: Where contacts are kept.
        wrap_delivery: Gets the delivery and returns what is used instead, such as one that dies at a named step.
        die: Ends the process.
        on_created: Gets the app before anything of it runs.
    """

    pipeline: Pipeline | None = None
    store: ContactStore | None = None
    wrap_delivery: Callable[[Delivery], Delivery] = lambda delivery: delivery
    die: Die = die
    on_created: Callable[[WorkerApp], None] = lambda app: None  # noqa: ARG005


class WorkerApp(faust.App):
    """The Faust app with what its transport and its tables need to know of each other."""

    logger = faust_private.LOGGER
    settings: Settings
    assignment: Assignment
    lease: Lease
    delivery: Delivery
    contacts: ContactStore
    access: StoreAccess
    timers: Timers
    metrics: Metrics
    observer: Observer
    die: Die
    parts_started: asyncio.Event

    async def restore(self, changelog_partitions: set[TP]) -> bool:
        """Restore what was assigned; False when it was taken away meanwhile."""
        return await self.assignment.prepare({tp.partition for tp in changelog_partitions})

    @property
    def kafka_consumer(self) -> aiokafka.AIOKafkaConsumer | None:
        """Aiokafka's consumer of the source topic, None before it has started and once it is to leave."""
        return self.worker_consumer.kafka if self.started and not self.worker_consumer.is_leaving else None

    async def on_started(self) -> None:
        """Note that every part has started, then wait for the restore as Faust does: it may be stopped from here on."""
        self.parts_started.set()
        await super().on_started()

    async def settle(self) -> None:
        """Take part in no more rebalances, make everything that was folded durable, and read no more."""
        await self.worker_consumer.join_no_more()
        await self.worker_consumer.give_up(set())
        self.rebalancing = False  # Faust would begin to read again

    @property
    def worker_consumer(self) -> WorkerConsumer:
        """Faust's consumer, ours by its transport."""
        return cast("WorkerConsumer", self.consumer)

    def has_lost_its_name(self) -> bool:
        """Whether the group says that another process has joined under our instance id."""
        return self.started and self.worker_consumer.has_lost_its_name()

    def recovery_ended(self) -> None:
        """Hear that Faust's recovery task has ended although the worker runs: the next rebalance would be the end in silence."""
        self.die(RestartRequired(what="recovery task", problem="it has ended"))

    def _create_directories(self) -> None:
        """Make none: state lies where the store says, and the working directory may be read-only."""


def create_app(
    settings: Settings, *, models: tuple[Model, ...] = (), metrics: Metrics | None = None, parts: Parts | None = None
) -> WorkerApp:
    """
    Return a Faust app that scores as *settings* say; call it in the loop that will run it. Nothing connects yet.

    Args:
        settings: Where and how to run.
        models: The scoring models, loaded; not needed with a pipeline of a test's own.
        metrics: Where counts go; fresh ones by default.
        parts: What a test replaces.

    Raises:
        ConfigError: the store or a certificate cannot be used.
    """
    parts = parts or Parts()
    limit_batches(settings.batch_bytes, settings.input_topic)
    faust_private.register_transport(SCHEME, "worker.stream.transport:Transport")
    app = WorkerApp(settings.app_id, **_faust_options(settings))
    app.settings = settings
    app.parts_started = asyncio.Event()
    app.die = die_by_name(parts.die, settings.instance_id, app.has_lost_its_name)
    app.metrics = metrics or Metrics()
    app.contacts = parts.store or open_store(
        settings.store,
        app_id=settings.app_id,
        redis=RedisAccess.from_settings(settings),
        rocksdb_bytes=settings.rocksdb_bytes,
    )
    app.lease = Lease(settings.session_timeout_ms / 1000)
    app.delivery = LeasedDelivery(parts.wrap_delivery(_delivery(app, settings)), app.lease)
    app.observer = Observer(app.metrics, settings)
    surroundings = Surroundings(
        store=app.contacts,
        access=StoreAccess(),
        delivery=app.delivery,
        limits=RoundLimits.from_settings(settings),
        die=app.die,
        count_busy=lambda: app.assignment.count_busy(),  # noqa: PLW0108 - made below
        observe=app.observer.round_settled,
    )
    pipeline = parts.pipeline or scoring_pipeline(settings, models)
    app.assignment = Assignment(settings, pipeline, surroundings, partial(restore_consumer, settings), app.observer)
    app.access = surroundings.access
    app.timers = Timers(app.contacts, app.access, app.assignment.owned.values, is_wall=settings.time == "wall")
    _declare(app, settings)
    parts.on_created(app)
    return app


def scoring_pipeline(settings: Settings, models: tuple[Model, ...]) -> Pipeline:
    """Return the real scoring of *models*."""
    topics = Topics(settings.input_topic, settings.qualifications_topic, settings.scores_topic, settings.dlq_topic)
    key = settings.erasure_key.reveal().encode() if settings.erasure_key else b""
    options = PipelineOptions(
        time=settings.time,
        max_skew_ms=settings.max_skew_ms,
        dlq_limit=settings.dlq_limit,
        budget=CacheBudget(settings.cache_bytes),
        publish_tiers=settings.publish_tiers,
        publish_model_changes=settings.publish_model_changes,
        emit_since_ms=settings.emit_since_ms,
        merges_by_fence=settings.guarantee == "at_least_once",
        erasure_key=key,
    )

    def make_partition(partition: int, partitions: int, row: bytes | None, get_many: GetMany) -> Partition:
        return Partition(
            topics=topics,
            partition=partition,
            partitions=partitions,
            models=models,
            options=options,
            row=row,
            get_many=get_many,
        )

    return Pipeline(make_partition, fence_fields, due_of, partial(grave_key_of, erasure_key=key))


def _delivery(app: WorkerApp, settings: Settings) -> Delivery:
    def producer() -> Any:
        return cast("WorkerProducer", app.producer).kafka

    if settings.guarantee == "exactly_once":
        return ExactlyOnce(settings, lambda: producer().client)
    return AtLeastOnce(settings, producer)


def _declare(app: WorkerApp, settings: Settings) -> None:
    """Declare the table and the source topic."""
    app.Table(_TABLE, **table_options(app.contacts), partitions=settings.partitions)
    source = app.topic(settings.input_topic, key_type=bytes, value_type=bytes)

    @app.agent(source, name="source")
    async def source_agent(stream: Any) -> None:
        """Subscribe, no more: the batch transport hands no message to agents."""
        async for _ in stream:
            raise RuntimeError("a record took Faust's own path")


def _faust_options(settings: Settings) -> dict[str, Any]:
    session_s = settings.session_timeout_ms / 1000
    name = settings.instance_id or settings.app_id
    return {
        "broker": [URL(f"{SCHEME}://{broker}") for broker in settings.brokers],
        "version": 1,
        "store": "memory://",
        "loop": asyncio.get_running_loop(),
        "TableManager": faust_private.RestoringTables,
        # Faust's assignor compares it with what it remembers of a static member, and stops for good when it differs.
        "canonical_url": f"http://{name}.invalid:1",
        "processing_guarantee": "at_least_once",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": settings.partitions,
        "table_standby_replicas": 0,
        "web_enabled": False,
        "autodiscover": False,
        "stream_recovery_delay": 0.0,
        "stream_wait_empty": False,
        "broker_commit_interval": 1.0,
        "broker_session_timeout": session_s,
        "broker_heartbeat_interval": session_s * 0.3,
        "broker_request_timeout": max(90.0, session_s + 5),
        "consumer_group_instance_id": settings.instance_id or None,
        "consumer_auto_offset_reset": "earliest",
    }
