"""The catalogue is complete and closed, and what is counted comes out as Prometheus reads it."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from worker import metrics as catalogue
from worker.metrics import CATALOGUE, LABELS, Metric, Metrics

PLACE = {"topic": "in", "partition": "3"}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return what a scrape sees of our own metrics."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    found = [sample for family in families for sample in family.samples if sample.name.startswith("leadscore_")]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[(name, frozenset(labels.items()))]


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_metric_is_named_labelled_and_described_as_all_are(metric: Metric) -> None:
    assert re.fullmatch(r"leadscore_[a-z_]+_(total|seconds|bytes|records)", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert set(metric.labels) <= LABELS
    assert metric.help.endswith(".")
    assert not metric.reasons or "reason" in metric.labels


def test_names_are_unique() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def test_every_metric_of_the_catalogue_can_be_written_and_scraped(metrics: Metrics) -> None:
    for metric in CATALOGUE:
        labels = {name: metric.reasons[0] if name == "reason" and metric.reasons else "x" for name in metric.labels}
        match metric.kind:
            case "counter":
                metrics.add(metric, 2, **labels)
            case "gauge":
                metrics.set(metric, 2, **labels)
            case "histogram":
                metrics.observe(metric, 2, **labels)
    names = {name for name, _ in samples(metrics)}
    for metric in CATALOGUE:
        assert (f"{metric.name}_count" if metric.kind == "histogram" else metric.name) in names


def test_metric_without_a_value_yet_is_announced(metrics: Metrics) -> None:
    text = metrics.exposition().decode()
    assert all(f"# TYPE {metric.name} {metric.kind}\n" in text for metric in CATALOGUE)


def test_process_metrics_are_there_too(metrics: Metrics) -> None:
    assert "process_cpu_seconds_total" in metrics.exposition().decode()


def test_counter_grows_by_series(metrics: Metrics) -> None:
    metrics.add(catalogue.EVENTS_RECEIVED, 5, topic="in", partition=3)
    metrics.add(catalogue.EVENTS_RECEIVED, topic="in", partition="3")
    metrics.add(catalogue.EVENTS_RECEIVED, 7, topic="in", partition=4)
    assert sample(metrics, "leadscore_events_received_total", **PLACE) == 6
    assert metrics.value(catalogue.EVENTS_RECEIVED, topic="in", partition=4) == 7
    assert metrics.total(catalogue.EVENTS_RECEIVED) == 13


def test_histogram_counts_values_up_to_each_bound(metrics: Metrics) -> None:
    for seconds in (0.001, 0.0011, 0.3, 99.0):
        metrics.observe(catalogue.ROUND_SECONDS, seconds)
    name = "leadscore_round_seconds"
    assert sample(metrics, f"{name}_bucket", le="0.001") == 1
    assert sample(metrics, f"{name}_bucket", le="0.0025") == 2
    assert sample(metrics, f"{name}_bucket", le="0.25") == 2
    assert sample(metrics, f"{name}_bucket", le="0.5") == 3
    assert sample(metrics, f"{name}_bucket", le="10.0") == 3
    assert sample(metrics, f"{name}_bucket", le="+Inf") == sample(metrics, f"{name}_count") == 4
    assert sample(metrics, f"{name}_sum") == pytest.approx(99.3021)


def test_unlisted_metric_is_refused(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="not in the catalogue"):
        metrics.add(
            Metric(catalogue.ROUNDS.name, "counter", "A copy.", catalogue.ROUNDS.labels), topic="in", partition=3
        )


@pytest.mark.parametrize(
    "labels", [{}, {"topic": "in"}, {"topic": "in", "partition": 3, "contact": "x"}, {"topic": "in", "model": "x"}]
)
def test_labels_other_than_the_metrics_own_are_refused(metrics: Metrics, labels: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="has the labels"):
        metrics.add(catalogue.EVENTS_RECEIVED, **labels)


def test_reason_that_is_not_listed_is_refused(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="has the reasons"):
        metrics.add(catalogue.EVENTS_FOLDED, topic="in", partition=3, model="m", reason="tired")


def test_metric_is_written_as_its_kind_and_a_counter_only_grows(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="is a gauge"):
        metrics.add(catalogue.LAG_RECORDS, topic="in", partition=3)
    with pytest.raises(ValueError, match="is a counter"):
        metrics.set(catalogue.ROUNDS, 1, topic="in", partition=3)
    with pytest.raises(ValueError, match="only grows"):
        metrics.add(catalogue.ROUNDS, -1, topic="in", partition=3)
    with pytest.raises(ValueError, match="only grows"):
        metrics.add(catalogue.ROUNDS, float("nan"), topic="in", partition=3)


def test_counts_of_a_round_become_metrics(metrics: Metrics) -> None:
    counts = Counter(
        {
            ("received", ""): 10,
            ("effective", "simple-100"): 4,
            ("duplicate", "simple-100"): 2,
            ("without_effect", "simple-100"): 1,
            ("late", "simple-100"): 3,
            ("behind_timer", "simple-100"): 1,
            ("overflowed", "simple-100"): 2,
            ("fired", "simple-100"): 6,
            ("clamped", ""): 1,
            ("forwarded", ""): 1,
            ("replayed", ""): 1,
            ("dead_lettered", "event.bad_time"): 1,
            ("transitions", "simple-100 lead.sales_ready"): 2,
            ("transitions", "simple-100 lead.novel"): 1,
            ("novel", "x"): 9,
        }
    )
    metrics.apply_counts(counts, "in", 3)
    model = {**PLACE, "model": "simple-100"}
    assert samples(metrics) == {
        ("leadscore_events_received_total", frozenset(PLACE.items())): 10,
        ("leadscore_events_folded_total", frozenset({**model, "reason": "effective"}.items())): 4,
        ("leadscore_events_folded_total", frozenset({**model, "reason": "duplicate"}.items())): 2,
        ("leadscore_events_folded_total", frozenset({**model, "reason": "without_effect"}.items())): 1,
        ("leadscore_events_late_total", frozenset(model.items())): 3,
        ("leadscore_events_behind_timer_total", frozenset(model.items())): 1,
        ("leadscore_events_overflowed_total", frozenset(model.items())): 2,
        ("leadscore_timers_fired_total", frozenset(model.items())): 6,
        ("leadscore_events_clamped_total", frozenset(PLACE.items())): 1,
        ("leadscore_events_forwarded_total", frozenset(PLACE.items())): 1,
        ("leadscore_events_replayed_total", frozenset(PLACE.items())): 1,
        ("leadscore_dead_letters_total", frozenset({**PLACE, "code": "event.bad_time"}.items())): 1,
        ("leadscore_transitions_total", frozenset({**model, "reason": "lead.sales_ready"}.items())): 2,
        ("leadscore_other_counts_total", frozenset({**PLACE, "reason": "transitions"}.items())): 1,
        ("leadscore_other_counts_total", frozenset({**PLACE, "reason": "novel"}.items())): 9,
    }


def test_gauges_of_a_partition_that_went_to_another_worker_are_gone(metrics: Metrics) -> None:
    """If this fails, two workers show one partition's lag, and the sum alarms."""
    for partition in (3, 4):
        metrics.set(catalogue.LAG_RECORDS, 9, topic="in", partition=partition)
        metrics.add(catalogue.ROUNDS, topic="in", partition=partition)
    metrics.forget_partition(3)
    assert {dict(labels)["partition"] for name, labels in samples(metrics) if name == "leadscore_lag_records"} == {"4"}
    assert {dict(labels)["partition"] for name, labels in samples(metrics) if name == "leadscore_rounds_total"} == {
        "3",
        "4",
    }


def test_two_workers_in_one_process_count_apart(metrics: Metrics) -> None:
    metrics.add(catalogue.REBALANCES)
    assert Metrics().value(catalogue.REBALANCES) == 0
