"""Every contact's score as of an instant, read from the changelog alone: the worker may be running, or not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError

from worker.errors import ConfigError, DependencyError
from worker.export import score_lines, scores_csv, write_files
from worker.kafka.aiokafka_private import high_watermarks, partition_count
from worker.kafka.refusals import raise_refusal
from worker.kafka.security import client_options
from worker.pipeline import PARTITION_KEY, PartitionRow, decode_partition_row, fence_of
from worker.pipeline.graves import GRAVE_KEY, grave_key, grave_key_of
from worker.pipeline.newest import take_row
from worker.pipeline.rows import load_lineage
from worker.pipeline.terms import check_models, older_versions
from worker.scoring.codec import decode_contact
from worker.scoring.matching import Matcher
from worker.scoring.model_file import load_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from worker.scoring.carry_over import Lineage
    from worker.scoring.contact import Contact
    from worker.scoring.model import Model
    from worker.settings import Settings

_CONTROL_KEYS = (b"\x00", b"\x01")


class Dumped(NamedTuple):
    """What a dump wrote."""

    contacts: int
    as_of_ms: int


async def dump_scores(settings: Settings, out: Path, as_of_ms: int | None) -> Dumped:
    """
    Write `scores.csv` for each loaded model into *out*, one folder a model when there are several.

    Args:
        settings: Names the brokers, the changelog and the models.
        out: Folder, made when absent.
        as_of_ms: Instant to read at; None means the partition time that every partition has reached.

    Raises:
        ConfigError: The changelog is empty, or *as_of_ms* is None and no partition has seen an event.
        StateError: State that old is no longer kept, or was written by another model.
    """
    models = load_models(settings.models)
    values = without_buried(await read_changelog(settings), settings)
    rows = [decode_partition_row(value) for (_, key), value in values.items() if key == PARTITION_KEY]
    if as_of_ms is None:
        as_of_ms = _reached(rows, models, settings.changelog_topic)
    contacts = decode_changelog(values, models, settings.changelog_topic)
    for index, model in enumerate(models):
        folder = out if len(models) == 1 else out / model.name
        write_files(folder, scores_csv(score_lines(contacts, model, index, as_of_ms)), None)
    return Dumped(len(contacts), as_of_ms)


def without_buried(values: Mapping[tuple[int, bytes], bytes], settings: Settings) -> dict[tuple[int, bytes], bytes]:
    """
    Return *values* without those that outlived an erasure of their contact: the worker, too, forgets them as soon as it sees them.

    Raises:
        ConfigError: there were erasures, and without the key that hides whose they were nobody can heed them.
    """
    graves = {place for place in values if place[1].startswith(GRAVE_KEY)}
    if not graves:
        return dict(values)
    if settings.erasure_key is None:
        raise ConfigError(
            where="LEADSCORE_ERASURE_KEY",
            problem="it is not set, and contacts were erased that must not be shown",
            fix="set it to the worker's",
        )
    secret = settings.erasure_key.reveal().encode()

    def is_buried(partition: int, key: bytes, value: bytes) -> bool:
        grave = (partition, grave_key(key, secret))
        return grave in graves and fence_of(value) < fence_of(values[grave])

    return {
        (partition, key): value
        for (partition, key), value in values.items()
        if key.startswith(_CONTROL_KEYS) or not is_buried(partition, key, value)
    }


def decode_changelog(
    values: Mapping[tuple[int, bytes], bytes], models: Sequence[Model], topic: str
) -> list[tuple[bytes, Contact]]:
    """
    Return key and contact of every contact in *values*; states of earlier versions of *models* are carried over.

    Raises:
        StateError: state was written by a later version, or by the same version with another content.
    """
    matchers = [Matcher(model) for model in models]
    lineages: dict[int, Lineage] = {}
    for (partition, key), value in values.items():
        if key == PARTITION_KEY:
            row, where = decode_partition_row(value), f"{topic}[{partition}]"
            check_models(row, models, where)
            older, _ = older_versions(row, models)
            lineages[partition] = load_lineage(older, partial(_look_up, values, partition), where)
    return [
        (key, decode_contact(value, models, matchers, lineages.get(partition)))
        for (partition, key), value in values.items()
        if not key.startswith(_CONTROL_KEYS)
    ]


def _look_up(values: Mapping[tuple[int, bytes], bytes], partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
    return [values.get((partition, key)) for key in keys]


def _reached(rows: Sequence[PartitionRow], models: Sequence[Model], changelog: str) -> int:
    """Return the partition time that every partition with events has reached."""
    lateness_ms = max(model.lateness_ms for model in models)
    times = []
    for row in rows:
        if row.mode == "wall" and row.time_ms is not None:
            times.append(row.time_ms)
        elif row.mode == "stream" and row.newest_ms is not None:
            times.append(row.newest_ms - lateness_ms)
    if not times:
        raise ConfigError(
            where=changelog,
            problem="no partition has seen an event",
            fix="check LEADSCORE_APP_ID, or send events first",
        )
    return min(times)


async def read_changelog(settings: Settings) -> dict[tuple[int, bytes], bytes]:
    """Return the value of each (partition, key) of the changelog: that of the highest fence, up to the end as it stands now."""
    topic = settings.changelog_topic
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    try:
        await _start(consumer, settings)
        partitions = [TopicPartition(topic, number) for number in range(await _partitions(consumer, topic))]
        # Before anything is fetched: the look-up reads uncommitted for a moment.
        ends = await high_watermarks(consumer, partitions)
        consumer.assign(partitions)
        return await _read_until(consumer, ends, settings)
    finally:
        await consumer.stop()


async def _start(consumer: AIOKafkaConsumer, settings: Settings) -> None:
    try:
        await consumer.start()
    except KafkaConnectionError as exc:
        await raise_refusal(settings)
        raise DependencyError(
            what="Kafka", problem=f"no answer from {', '.join(settings.brokers)}", fix="check LEADSCORE_BROKERS"
        ) from exc


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> int:
    try:
        return await partition_count(consumer, topic)
    except UnknownTopicOrPartitionError as exc:
        raise ConfigError(
            where=topic,
            problem="there is no such topic, or this user may not see it",
            fix="check LEADSCORE_BROKERS and LEADSCORE_APP_ID",
        ) from exc


async def _read_until(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], settings: Settings
) -> dict[tuple[int, bytes], bytes]:
    secret = settings.erasure_key.reveal().encode() if settings.erasure_key else b""
    values: dict[tuple[int, bytes], bytes] = {}
    with_graves: set[int] = set()
    left = {partition for partition, end in ends.items() if end > 0}
    while left:
        for (_, partition), records in (await consumer.getmany(timeout_ms=200)).items():
            for record in records:
                key, grave = record.key, None
                if key.startswith(GRAVE_KEY):
                    with_graves.add(partition)
                elif partition in with_graves and (of_it := grave_key_of(key, secret)) is not None:
                    grave = values.get((partition, of_it))
                take_row(values, (partition, key), record.value, grave)
        left = {partition for partition in left if await consumer.position(partition) < ends[partition]}
    return values
