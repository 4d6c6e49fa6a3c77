"""What the changelog holds of one contact: its partition is read once, nothing but this contact's rows is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from worker.cases.standing import contact_of
from worker.contracts.partitioner import partition_of
from worker.errors import ConfigError
from worker.kafka.aiokafka_private import high_watermarks
from worker.kafka.clients import places_of, started_consumer
from worker.pipeline import PARTITION_KEY, PartitionRow, PipelineOptions, decode_partition_row
from worker.pipeline.graves import FIRST_CONTACT_BYTE, grave_key
from worker.pipeline.newest import take_row
from worker.pipeline.rows import GRAVES_KEY, MODEL_KEY, load_lineage
from worker.pipeline.terms import check_models, older_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.scoring.contact import Contact
    from worker.scoring.model import Model
    from worker.settings import Settings

Hear = Callable[[int], None]
"""Hears of a number of offsets: how many there are to read, or how many were read since the last call."""


class StoredContact(NamedTuple):
    """A contact as its partition of the changelog holds it."""

    key: bytes
    partition: int
    where: str
    value: bytes | None  # None: no state, or none that its erasure left
    grave: bytes | None  # None: it was never erased
    row: PartitionRow | None  # where the partition stands; None: nothing was ever written there
    rows: dict[bytes, bytes]  # model rows

    def decoded(self, models: Sequence[Model]) -> Contact | None:
        """
        Return the contact under *models*, None when nothing is known; what an erasure has outlived is left out.

        Raises:
            StateError: It was stored by a later version of a model, or by one whose content is not stored.
        """
        lineage = None
        if self.row is not None:
            check_models(self.row, models, self.where)
            older, _ = older_versions(self.row, models)
            lineage = load_lineage(older, lambda keys: [self.rows.get(key) for key in keys], self.where)
        return contact_of(self.value, self.grave, models, lineage)

    def reached_ms(self, model: Model) -> int | None:
        """Return the partition time under *model*: what is due up to it is handled. None before the first event."""
        if self.row is None:
            return None
        if self.row.mode == "wall":
            return self.row.time_ms
        return None if self.row.newest_ms is None else self.row.newest_ms - model.lateness_ms


async def read_contact(
    settings: Settings, key: bytes, *, total: Hear | None = None, progress: Hear | None = None
) -> StoredContact:
    """
    Return what the changelog holds of the contact *key*, up to its end as it stands now; the worker may be running.

    Raises:
        ConfigError: There is no changelog, or the key of erasures is not the one that it was written with.
        DependencyError: The brokers do not answer.
    """
    topic = settings.changelog_topic
    secret = settings.erasure_key.reveal().encode() if settings.erasure_key else b""
    grave = grave_key(key, secret) if secret else b""
    held: dict[bytes, bytes] = {}
    async with started_consumer(
        settings, isolation_level="read_committed", max_partition_fetch_bytes=4 << 20
    ) as consumer:
        places = await places_of(consumer, topic, "LEADSCORE_APP_ID")
        place = places[partition_of(key, len(places))]
        # Open transactions included: what is being committed is waited for.
        end = (await high_watermarks(consumer, [place]))[place]
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        position = await consumer.position(place)
        if total is not None:
            total(end - position)
        while position < end:
            for record in (await consumer.getmany(place, timeout_ms=200)).get(place, ()):
                name = record.key
                if name in (key, grave, PARTITION_KEY, GRAVES_KEY) or name.startswith(MODEL_KEY):
                    _take(held, name, record.value, grave)
            position, before = await consumer.position(place), position
            if progress is not None:
                progress(position - before)
    row = None if PARTITION_KEY not in held else decode_partition_row(held[PARTITION_KEY])
    _check_erasure_key(row, secret, topic, has_graves=GRAVES_KEY in held)
    rows = {name: value for name, value in held.items() if name.startswith(MODEL_KEY)}
    return StoredContact(key, place.partition, f"{topic}[{place.partition}]", held.get(key), held.get(grave), row, rows)


def _take(held: dict[bytes, bytes], name: bytes, value: bytes | None, grave: bytes) -> None:
    """Keep *value* as a restore would; only a contact's own rows are as old as its gravestone."""
    take_row(held, name, value, held.get(grave) if name[0] >= FIRST_CONTACT_BYTE else None)


def _check_erasure_key(row: PartitionRow | None, secret: bytes, topic: str, *, has_graves: bool) -> None:
    """Refuse to look without the key under which erasures are remembered: who was erased could be shown again."""
    if row is None or not (has_graves or secret) or not row.erasure_check:
        return
    if row.erasure_check != PipelineOptions(erasure_key=secret).erasure_check:
        raise ConfigError(
            where="LEADSCORE_ERASURE_KEY",
            problem=f"{'not the one' if secret else 'not set, and there is one'} that {topic} was written with",
            fix="set the key that the workers have; who was erased could be shown again otherwise",
        )
