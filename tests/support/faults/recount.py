"""The topic as it is stored, folded by the pure pipeline: one partition after the other, no Kafka client, no store, no restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiokafka.structs import ConsumerRecord

from worker.export import ScoreLine, score_lines
from worker.pipeline.round import Count, Output
from worker.scoring.contact import Contact
from worker.scoring.model import Model
from worker.settings import Settings
from worker.stream.app import scoring_pipeline

_CHUNK = 500
_CACHED = 1 << 40


@dataclass
class Recount:
    """What the stored topic comes to."""

    contacts: dict[bytes, Contact] = field(default_factory=dict)
    scores: dict[bytes, ScoreLine] = field(default_factory=dict)
    transitions: dict[int, list[Output]] = field(default_factory=dict)  # by partition, in the order told
    dead_letters: dict[int, list[Output]] = field(default_factory=dict)
    counts: Counter[Count] = field(default_factory=Counter)


def recount(
    settings: Settings, model: Model, stored: Mapping[int, Sequence[ConsumerRecord[bytes, bytes]]], as_of_ms: int
) -> Recount:
    """
    Fold *stored*, the records of each source partition in offset order, and read each contact as of *as_of_ms*.

    Args:
        settings: Of the workers; whatever their LEADSCORE_TIME, no clock has a part in it.
        model: The only model.
        stored: All that a read_committed consumer sees of the source topic, from its beginning.
        as_of_ms: Not before any event.
    """
    pipeline = scoring_pipeline(_remembering(settings), (model,))
    result = Recount()
    for number, records in stored.items():
        partition = pipeline.make_partition(number, len(stored), None, _nothing_stored)
        for at in range(0, len(records), _CHUNK):
            partition.fold(records[at : at + _CHUNK], _nothing_stored)
            outputs, counts = partition.take_told()  # type: ignore[attr-defined]  # of the real thing
            result.counts.update(counts)
            for output in outputs:
                if output.topic == settings.qualifications_topic:
                    result.transitions.setdefault(number, []).append(output)
                elif output.topic == settings.dlq_topic:
                    result.dead_letters.setdefault(number, []).append(output)
        result.contacts.update(partition.contacts())  # type: ignore[attr-defined]
    result.scores = lines_of(result.contacts, model, as_of_ms)
    return result


def lines_of(contacts: Mapping[bytes, Contact], model: Model, as_of_ms: int) -> dict[bytes, ScoreLine]:
    """Return a line for each of *contacts* that *model*, the only one, knows."""
    return {line.contact_id.encode(): line for line in score_lines(contacts.items(), model, 0, as_of_ms)}


def _remembering(settings: Settings) -> Settings:
    """Return *settings* with room in memory for every contact, and without a clock."""
    return replace(settings, cache_bytes=_CACHED, time="stream")


def _nothing_stored(keys: Sequence[bytes]) -> list[bytes | None]:
    return [None] * len(keys)
