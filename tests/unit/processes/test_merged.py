"""One page of metrics for all processes, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from worker.metrics import COMMIT_SECONDS, EVENTS_RECEIVED, LAG_RECORDS, PROCESS_STARTS, Metrics
from worker.processes.merged import merged


def page(received: int, partition: int) -> bytes:
    metrics = Metrics()
    metrics.add(EVENTS_RECEIVED, received, topic="in", partition=partition)
    metrics.set(LAG_RECORDS, 7, topic="in", partition=partition)
    metrics.observe(COMMIT_SECONDS, 0.002)
    return metrics.exposition()


def test_each_series_names_its_process_and_each_family_comes_once() -> None:
    """If this fails, Prometheus refuses the page, or shows one process's figures for another's."""
    own = Metrics()
    own.add(PROCESS_STARTS, 3, process=2)
    text = merged({0: own.exposition(), 1: page(10, 0), 2: page(20, 1)}).decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    assert text.count("# TYPE leadscore_events_received_total counter") == 1
    values = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    name = "leadscore_events_received_total"
    assert values[name, (("partition", "0"), ("process", "1"), ("topic", "in"))] == 10
    assert values[name, (("partition", "1"), ("process", "2"), ("topic", "in"))] == 20
    assert values["leadscore_commit_seconds_count", (("process", "2"),)] == 1
    assert values["leadscore_process_starts_total", (("process", "2"),)] == 3, "what names a process keeps that"
    resident = {labels for sample, labels in values if sample == "process_resident_memory_bytes"}
    assert resident in (set(), {(("process", "0"),), (("process", "1"),), (("process", "2"),)}), "none on macOS"
