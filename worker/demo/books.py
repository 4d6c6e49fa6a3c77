"""The worker's books: every record it took must be accounted for, once, in each model; and the demo knows what it sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from worker.metrics import DEAD_LETTERS, EVENTS_FOLDED, EVENTS_FORWARDED, EVENTS_RECEIVED, EVENTS_REPLAYED, MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBooks:
    """What became of the records of the input topic, as one model saw them."""

    model: str
    received: int
    effective: int
    duplicate: int
    without_effect: int
    dead_lettered: int
    forwarded: int
    replayed: int

    @property
    def accounted(self) -> int:
        """The sum of all fates; equal to `received` when nothing was lost or counted twice."""
        return (
            self.effective + self.duplicate + self.without_effect + self.dead_lettered + self.forwarded + self.replayed
        )


@dataclass(slots=True, kw_only=True)
class Produced:
    """What the demo has sent, all acknowledged."""

    records: int = 0
    repeated: int = 0  # and noticeable as such
    late: int = 0
    malformed: int = 0
    misplaced: int = 0


def read_books(exposition: str) -> list[ModelBooks]:
    """
    Return the books of each model, by name, from the text of the worker's `/metrics`.

    Raises:
        ValueError: *exposition* is not in Prometheus's text format.
    """
    totals: Counter[str] = Counter()
    folded: Counter[tuple[str, str]] = Counter()
    models = set()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == EVENTS_FOLDED.name:
                folded[sample.labels["model"], sample.labels["reason"]] += int(sample.value)
            elif sample.name.endswith("_total"):
                totals[sample.name] += int(sample.value)
            if sample.name in {EVENTS_FOLDED.name, MODELS.name}:
                models.add(sample.labels["model"])
    return [
        ModelBooks(
            model=model,
            received=totals[EVENTS_RECEIVED.name],
            effective=folded[model, "effective"],
            duplicate=folded[model, "duplicate"],
            without_effect=folded[model, "without_effect"],
            dead_lettered=totals[DEAD_LETTERS.name],
            forwarded=totals[EVENTS_FORWARDED.name],
            replayed=totals[EVENTS_REPLAYED.name],
        )
        for model in sorted(models)
    ]


def discrepancies(books: list[ModelBooks], produced: Produced) -> list[str]:
    """Return what does not add up, one sentence each; empty when the books balance and agree with what was sent."""
    if not books:
        return ["the worker shows no model in its metrics"]
    found = []
    for book in books:
        if book.received != book.accounted:
            found.append(f"{book.model}: {book.received:,} records received, but {book.accounted:,} accounted for")
        expected = (
            ("received", book.received, produced.records + book.forwarded + book.replayed),
            ("duplicates", book.duplicate, produced.repeated),
            ("dead letters", book.dead_lettered, produced.malformed),
            ("forwarded", book.forwarded, produced.misplaced),
        )
        found += [
            f"{book.model}: {what}: the worker counted {counted:,}, by what was sent it should be {sent:,}"
            for what, counted, sent in expected
            if counted != sent
        ]
    return found
