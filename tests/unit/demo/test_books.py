from __future__ import annotations

import pytest

from worker.demo.books import ModelBooks, Produced, discrepancies, read_books
from worker.metrics import MODELS, Metrics

BALANCED = ModelBooks(
    model="m", received=115, effective=80, duplicate=10, without_effect=13, dead_lettered=7, forwarded=5, replayed=0
)
SENT = Produced(records=110, repeated=10, malformed=7, misplaced=5)


def exposition() -> str:
    metrics = Metrics()
    for partition, n in ((0, 1), (1, 2)):
        metrics.apply_counts(
            {
                ("received", ""): 100 * n,
                ("effective", "m"): 60 * n,
                ("effective", "other"): 70 * n,
                ("duplicate", "m"): 10 * n,
                ("without_effect", "m"): 20 * n,
                ("without_effect", "other"): 20 * n,
                ("dead_lettered", "event.not_json"): 3 * n,
                ("dead_lettered", "event.bad_time"): 1 * n,
                ("forwarded", ""): 4 * n,
                ("replayed", ""): 2 * n,
                ("late", "m"): 9 * n,
                ("transitions", "m/lead.cooled"): 5 * n,
            },
            topic="t",
            partition=partition,
        )
    return metrics.exposition().decode()


def test_books_are_summed_over_partitions_and_kept_apart_by_model() -> None:
    common = {"received": 300, "dead_lettered": 12, "forwarded": 12, "replayed": 6}
    assert read_books(exposition()) == [
        ModelBooks(model="m", effective=180, duplicate=30, without_effect=60, **common),
        ModelBooks(model="other", effective=210, duplicate=0, without_effect=60, **common),
    ]


def test_sum_of_fates_leaves_nothing_out_and_counts_nothing_twice() -> None:
    assert [book.accounted for book in read_books(exposition())] == [
        180 + 30 + 60 + 12 + 12 + 6,
        210 + 60 + 12 + 12 + 6,
    ]


def test_model_that_has_seen_nothing_is_in_the_books() -> None:
    """An idle worker must not look like one whose metrics have lost a model."""
    metrics = Metrics()
    metrics.set(MODELS, 1, model="m", code="1")
    (book,) = read_books(metrics.exposition().decode())
    assert (book.model, book.received, book.accounted) == ("m", 0, 0)


def test_books_that_balance_and_agree_have_no_discrepancies() -> None:
    assert BALANCED.accounted == BALANCED.received
    assert discrepancies([BALANCED], SENT) == []


@pytest.mark.parametrize(
    ("field", "off", "word"),
    [
        ("records", 1, "received"),
        ("repeated", 1, "duplicates"),
        ("malformed", -1, "dead letters"),
        ("misplaced", 1, "forwarded"),
    ],
)
def test_disagreement_with_what_was_sent_is_named_with_both_numbers(field: str, off: int, word: str) -> None:
    sent = Produced(records=110, repeated=10, malformed=7, misplaced=5)
    setattr(sent, field, getattr(sent, field) + off)
    (found,) = discrepancies([BALANCED], sent)
    assert word in found


def test_lost_record_is_found_even_when_the_totals_of_the_topic_agree() -> None:
    lost = ModelBooks(
        model="m", received=115, effective=79, duplicate=10, without_effect=13, dead_lettered=7, forwarded=5, replayed=0
    )
    assert discrepancies([lost], SENT) == ["m: 115 records received, but 114 accounted for"]


def test_no_model_at_all_does_not_balance() -> None:
    assert discrepancies([], Produced())
