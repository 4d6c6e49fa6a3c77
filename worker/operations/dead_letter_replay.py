"""
Dead letters sent back to the input topic: same key, same bytes, counted in a header, and none twice by accident.

What was sent is remembered as the committed offset of the group `<app id>-dlq-replay`, with the exact set of offsets beside it. Under
exactly_once it is committed in the transaction that sends, under at_least_once right after the acknowledgements.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from worker.clock import monotonic
from worker.contracts.partitioner import partition_of
from worker.errors import ConfigError, DependencyError
from worker.kafka.clients import failures_in_words, of_coordinator, places_of, started_admin, started_consumer
from worker.kafka.security import client_options
from worker.operations.dead_letters import OUR_HEADERS, REPLAYED_HEADER, read_dead_letters
from worker.operations.replayed import MAX_CHARS, Offsets, decode_offsets
from worker.pipeline.effects import FORWARDED_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from worker.operations.dead_letters import DeadLetter, Selection
    from worker.settings import Settings

_BATCH = 500
_MAX_REQUEST_BYTES = 16 << 20  # the broker decides what is too large, not this client

SENT_BEFORE = "sent again before; --again sends them once more"
TOO_OFTEN = "refused again too often; --max-replays allows more"
FOREIGN = "not from the input topic"
EMPTY = "without a value: they would be refused again"


@dataclass(frozen=True)
class Terms:
    """
    How dead letters are sent again.

    Args:
        max_replays: A letter that was sent again so often is left where it is.
        is_again: Whether letters are sent that were sent before.
        rate: Records a second; 0 does not pace.
        is_dry: Whether nothing is sent.
    """

    max_replays: int
    is_again: bool
    rate: float
    is_dry: bool


@dataclass
class Outcome:
    """What was sent (in a dry run: would be), by code, and what was passed over, by reason; true at any time, after a failure too."""

    sent: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)


def headers_again(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """Return the headers of *letter* as received, without those that say what is wrong, and with how often it was sent again."""
    dropped = (REPLAYED_HEADER, FORWARDED_HEADER)
    kept = [(name, value) for name, value in letter.headers if name not in dropped and not name.startswith(OUR_HEADERS)]
    return [*kept, (REPLAYED_HEADER, str(letter.replays + 1).encode())]


def why_not(letter: DeadLetter, topic: str, terms: Terms, sent: Mapping[int, Offsets]) -> str:
    """Return why *letter* is passed over, empty when it is sent to *topic*; *sent* is what was sent before, by partition."""
    if letter.topic != topic or not letter.code:
        return FOREIGN
    if letter.value is None:
        return EMPTY
    if not terms.is_again and letter.offset in sent.get(letter.partition, Offsets()):
        return SENT_BEFORE
    return TOO_OFTEN if letter.replays >= terms.max_replays else ""


def replay_dead_letters(
    settings: Settings,
    selection: Selection,
    terms: Terms,
    outcome: Outcome,
    *,
    total: Callable[[int], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """
    Send the dead letters of *selection* to the input topic again, and count them in *outcome* as they are acknowledged.

    Raises:
        ConfigError: A topic is not there, or what was sent could not be remembered exactly.
        DependencyError: The brokers do not answer, or another replay has taken over.
    """
    with asyncio.Runner() as runner:
        sender = _Sender(settings, terms)
        try:
            runner.run(sender.start())
            batch = max(1, min(_BATCH, int(terms.rate) if terms.rate else _BATCH))
            for letters in read_dead_letters(settings, selection, total=total, progress=progress):
                chosen = []
                for letter in letters:
                    if reason := why_not(letter, settings.input_topic, terms, sender.sent):
                        outcome.passed[reason] += 1
                    else:
                        chosen.append(letter)
                for first in range(0, len(chosen), batch):
                    piece = chosen[first : first + batch]
                    if not terms.is_dry:
                        runner.run(sender.send(piece))
                    outcome.sent.update(letter.code for letter in piece)
        finally:
            runner.run(sender.stop())


class _Sender:
    """Sends pieces, and remembers what was sent in the same step."""

    def __init__(self, settings: Settings, terms: Terms) -> None:
        self._settings = settings
        self._terms = terms
        self._group = f"{settings.app_id}-dlq-replay"
        self._producer: AIOKafkaProducer | None = None
        self._committer: AIOKafkaConsumer | None = None
        self._partitions = 0  # of the input topic
        self._starts: dict[int, int] = {}  # first offset of each partition of the dead-letter topic
        self._began_at = 0.0
        self._count = 0
        self.sent: dict[int, Offsets] = {}

    async def start(self) -> None:
        """Connect; a replay that is under way elsewhere is cut off before it is read what was sent."""
        settings = self._settings
        async with started_consumer(settings) as consumer:
            self._partitions = len(await places_of(consumer, settings.input_topic, "LEADSCORE_INPUT_TOPIC"))
            places = await places_of(consumer, settings.dlq_topic, "LEADSCORE_DLQ_TOPIC")
            self._starts = {
                place.partition: first for place, first in (await consumer.beginning_offsets(places)).items()
            }
        if not self._terms.is_dry:
            await self._connect()
        async with started_admin(settings) as admin:
            stored = await of_coordinator(lambda: admin.list_consumer_group_offsets(self._group))
        for place, (_, text) in stored.items():
            if place.topic == settings.dlq_topic and text:
                self.sent[place.partition] = self._decoded(place.partition, text)
        self._began_at = monotonic()

    def _decoded(self, partition: int, text: str) -> Offsets:
        try:
            return decode_offsets(text)
        except ValueError as error:
            raise ConfigError(
                where=f"group {self._group}, {self._settings.dlq_topic}[{partition}]",
                problem=f"what was sent again before cannot be read: it is {error}",
                fix="run the release that wrote it; or delete the group to forget what was sent",
            ) from error

    async def _connect(self) -> None:
        settings = self._settings
        options: dict[str, Any] = {
            **client_options(settings), "acks": "all", "enable_idempotence": True, "linger_ms": 5,
            "max_request_size": _MAX_REQUEST_BYTES,
        }  # fmt: skip
        async with failures_in_words(settings):
            if settings.guarantee == "exactly_once":
                options |= {
                    "transactional_id": self._group,
                    "transaction_timeout_ms": settings.transaction_timeout_ms,
                }
            else:
                self._committer = AIOKafkaConsumer(
                    **client_options(settings), group_id=self._group, enable_auto_commit=False
                )
                await self._committer.start()
            self._producer = AIOKafkaProducer(**options)
            await self._producer.start()

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Send *letters* and remember them; when it raises under exactly_once none of them is sent."""
        remembered = {letter.partition: deepcopy(self.sent.get(letter.partition, Offsets())) for letter in letters}
        for letter in letters:
            remembered[letter.partition].add(letter.offset)
        commits = {partition: self._commit(partition, offsets) for partition, offsets in remembered.items()}
        async with failures_in_words(self._settings):
            try:
                await self._send(
                    letters, {TopicPartition(self._settings.dlq_topic, n): one for n, one in commits.items()}
                )
            except ProducerFenced:
                raise DependencyError(
                    what="replay", problem="another one of this application has taken over", fix="let that one finish"
                ) from None
        self.sent |= remembered
        self._count += len(letters)
        if self._terms.rate:
            await asyncio.sleep(max(0.0, self._began_at + self._count / self._terms.rate - monotonic()))

    def _commit(self, partition: int, offsets: Offsets) -> OffsetAndMetadata:
        offsets.forget_below(self._starts.get(partition, 0))
        text = offsets.encode()
        if len(text) > MAX_CHARS:
            raise ConfigError(
                where=f"{self._settings.dlq_topic}[{partition}]",
                problem="what was sent lies too scattered to be remembered exactly",
                fix="send ranges without gaps (no --code), or wait until retention has taken the oldest dead letters",
            )
        return OffsetAndMetadata(offsets.next_offset, text)

    async def _send(self, letters: Sequence[DeadLetter], commits: dict[TopicPartition, OffsetAndMetadata]) -> None:
        producer = self._producer
        assert producer is not None  # noqa: S101 - connected unless dry
        if self._committer is None:
            async with producer.transaction():
                await self._produce(producer, letters)
                await producer.send_offsets_to_transaction(commits, self._group)
            return
        await self._produce(producer, letters)
        self._committer.assign(list(commits))
        await self._committer.commit(commits)

    async def _produce(self, producer: AIOKafkaProducer, letters: Sequence[DeadLetter]) -> None:
        waiting = []
        for letter in letters:
            # Where its key belongs: what was refused for lying elsewhere would be refused again.
            partition = (
                letter.source_partition % self._partitions
                if letter.key is None
                else partition_of(letter.key, self._partitions)
            )
            sending = producer.send(
                self._settings.input_topic, letter.value, key=letter.key, partition=partition,
                headers=headers_again(letter),
            )  # fmt: skip
            waiting.append(await sending)
        await asyncio.gather(*waiting)

    async def stop(self) -> None:
        """Disconnect."""
        for client in (self._producer, self._committer):
            if client is not None:
                await client.stop()
