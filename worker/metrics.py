"""
What the worker counts: a catalogue of values, and a registry that takes nothing else.

Names end in their unit: ``_total`` for what only grows, ``_seconds``, ``_bytes``, ``_records`` for what is measured. Labels
come from a closed list and never hold contact data, so that the number of series is bounded by partitions and models.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)

LABELS = frozenset({"topic", "partition", "model", "reason", "code", "store", "process"})
"""All labels there are."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of a histogram."""

Kind = Literal["counter", "gauge", "histogram"]
_PLACE = ("topic", "partition")


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One entry of the catalogue. *reasons* closes the values of the label `reason`; empty: any."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


EVENTS_RECEIVED = Metric("leadscore_events_received_total", "counter", "Records taken from the input topic.", _PLACE)
EVENTS_FOLDED = Metric(
    "leadscore_events_folded_total",
    "counter",
    "Accepted events by what they did to a model's state.",
    (*_PLACE, "model", "reason"),
    ("effective", "duplicate", "without_effect"),
)
EVENTS_LATE = Metric(
    "leadscore_events_late_total", "counter", "Events older than the model's lateness allows for.", (*_PLACE, "model")
)
EVENTS_BEHIND_TIMER = Metric(
    "leadscore_events_behind_timer_total",
    "counter",
    "Events older than the instant up to which the contact had already been evaluated.",
    (*_PLACE, "model"),
)
EVENTS_OVERFLOWED = Metric(
    "leadscore_events_overflowed_total",
    "counter",
    "Events closed early, since a contact had more of them within the lateness than are kept open.",
    (*_PLACE, "model"),
)
EVENTS_CLAMPED = Metric(
    "leadscore_events_clamped_total",
    "counter",
    "Events too far in the future, moved back to their record's time.",
    _PLACE,
)
EVENTS_FORWARDED = Metric(
    "leadscore_events_forwarded_total", "counter", "Records in the wrong partition, sent on to their own.", _PLACE
)
EVENTS_REPLAYED = Metric(
    "leadscore_events_replayed_total",
    "counter",
    "Records read again after a restart and found in the state already.",
    _PLACE,
)
DEAD_LETTERS = Metric("leadscore_dead_letters_total", "counter", "Records refused, by error code.", (*_PLACE, "code"))
TRANSITIONS = Metric(
    "leadscore_transitions_total",
    "counter",
    "Transitions published, by model and kind.",
    (*_PLACE, "model", "reason"),
    ("lead.sales_ready", "lead.cooled", "lead.tier_changed"),
)
TIMERS_FIRED = Metric(
    "leadscore_timers_fired_total",
    "counter",
    "Evaluations because an instant had come.",
    (*_PLACE, "model"),
)
OTHER_COUNTS = Metric(
    "leadscore_other_counts_total", "counter", "What a round counted and no other metric shows.", (*_PLACE, "reason")
)
ROUNDS = Metric("leadscore_rounds_total", "counter", "Rounds made durable and visible.", _PLACE)
ROUND_SECONDS = Metric(
    "leadscore_round_seconds", "histogram", "From the first record of a round to its end in the store."
)
COMMIT_SECONDS = Metric("leadscore_commit_seconds", "histogram", "From sending a round's outputs to their commit.")
CHANGELOG_ROWS = Metric("leadscore_changelog_rows_total", "counter", "Rows written to the changelog.", _PLACE)
CHANGELOG_BYTES = Metric("leadscore_changelog_bytes_total", "counter", "Keys and values of those rows.", _PLACE)
LAG_RECORDS = Metric("leadscore_lag_records", "gauge", "Records of the input topic that are not committed yet.", _PLACE)
LAG_SECONDS = Metric(
    "leadscore_lag_seconds", "gauge", "Age of the oldest record that is not committed; 0 without lag.", _PLACE
)
RESTORED_ROWS = Metric("leadscore_restored_rows_total", "counter", "Changelog rows read back into the store.", _PLACE)
RESTORE_LEFT = Metric(
    "leadscore_restore_left_seconds", "gauge", "Estimate of how long the restore still takes; 0 when there is none."
)
RESTORE_SECONDS = Metric("leadscore_restore_seconds", "gauge", "How long the last restore took.", _PLACE)
RESTORE_REMAINING = Metric(
    "leadscore_restore_remaining_records", "gauge", "Changelog offsets still to restore.", _PLACE
)
STORE_BYTES = Metric("leadscore_store_bytes", "gauge", "Size of the local state.", ("store", "partition"))
STORE_AWAY = Metric(
    "leadscore_store_away_seconds", "gauge", "Since the store last answered; 0 while it does.", ("store",)
)
STOPPED = Metric(
    "leadscore_stopped_records",
    "gauge",
    "1 for a partition that stands still before a record until an operator has decided.",
    (*_PLACE, "reason"),
    ("dead_letters", "batch_size"),
)
CACHED_CONTACTS = Metric("leadscore_cached_contacts_records", "gauge", "Contacts whose state is in memory.", _PLACE)
CACHED_BYTES = Metric(
    "leadscore_cached_contacts_bytes", "gauge", "Estimate of the memory that these contacts take.", _PLACE
)
GROUP_SILENCE = Metric(
    "leadscore_group_silence_seconds", "gauge", "Since the brokers last answered a heartbeat of this worker."
)
CONTACT_LOOKUPS = Metric(
    "leadscore_contact_lookups_total", "counter", "Requests for the page of a contact, by HTTP status.", ("code",)
)
REBALANCES = Metric("leadscore_rebalances_total", "counter", "Assignments of partitions received.")
MODELS = Metric(
    "leadscore_models_records", "gauge", "1 for each model in use; `code` is its version and digest.", ("model", "code")
)
PROCESS_STARTS = Metric(
    "leadscore_process_starts_total", "counter", "Starts of each of several processes on one host.", ("process",)
)
PROCESSES_READY = Metric(
    "leadscore_processes_ready_records",
    "gauge",
    "1 for each of several processes that is ready, 0 for one that is not.",
    ("process",),
)

CATALOGUE: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""Every metric there is, in the order above."""

_COUNTS: Mapping[str, tuple[Metric, str | None, Mapping[str, str]]] = {
    "received": (EVENTS_RECEIVED, None, {}),
    "effective": (EVENTS_FOLDED, "model", {"reason": "effective"}),
    "duplicate": (EVENTS_FOLDED, "model", {"reason": "duplicate"}),
    "without_effect": (EVENTS_FOLDED, "model", {"reason": "without_effect"}),
    "late": (EVENTS_LATE, "model", {}),
    "behind_timer": (EVENTS_BEHIND_TIMER, "model", {}),
    "clamped": (EVENTS_CLAMPED, None, {}),
    "forwarded": (EVENTS_FORWARDED, None, {}),
    "replayed": (EVENTS_REPLAYED, None, {}),
    "dead_lettered": (DEAD_LETTERS, "code", {}),
    "overflowed": (EVENTS_OVERFLOWED, "model", {}),
    "fired": (TIMERS_FIRED, "model", {}),
}
"""What a round counts -> metric, the label that the count's own label is, and labels that are fixed."""

_Series = tuple[str, ...]


class _Distribution:
    """Observations of one series of a histogram, by bucket."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(SECONDS, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


class Metrics:
    """The values of one worker. Use it from one thread; reading it for a scrape copies nothing and blocks nothing."""

    def __init__(self) -> None:
        self._numbers: dict[Metric, dict[_Series, float]] = {m: {} for m in CATALOGUE if m.kind != "histogram"}
        self._distributions: dict[Metric, dict[_Series, _Distribution]] = {
            m: {} for m in CATALOGUE if m.kind == "histogram"
        }
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def add(self, metric: Metric, n: float = 1, /, **labels: object) -> None:
        """
        Add *n* to a counter.

        Raises:
            ValueError: *metric* is not in the catalogue or no counter, a label is missing or too much, a reason is not
                one of the metric's, or *n* is below 0.
        """
        series = self._series(metric, "counter", labels)
        if not n >= 0:
            raise ValueError(f"{metric.name} only grows, got {n}")
        values = self._numbers[metric]
        values[series] = values.get(series, 0.0) + n

    def set(self, metric: Metric, value: float, /, **labels: object) -> None:
        """Set a gauge to *value*; raises ValueError as `add` does."""
        self._numbers[metric][self._series(metric, "gauge", labels)] = float(value)

    def observe(self, metric: Metric, value: float, /, **labels: object) -> None:
        """Put *value* into a histogram; raises ValueError as `add` does."""
        series = self._series(metric, "histogram", labels)
        self._distributions[metric].setdefault(series, _Distribution()).observe(value)

    def value(self, metric: Metric, /, **labels: object) -> float:
        """Return the value of a counter or gauge, 0 when nothing was written yet; for the status page and tests."""
        return self._numbers[metric].get(self._series(metric, metric.kind, labels), 0.0)

    def total(self, metric: Metric) -> float:
        """Return the sum of a counter or gauge over all its series."""
        return sum(self._numbers[metric].values())

    def apply_counts(self, counts: Mapping[tuple[str, str], int], topic: str, partition: int) -> None:
        """
        Add what one round counted: ``(what, label) -> n``.

        Transitions are labelled ``<model> <kind>``. What is not known here is shown under its own name by one metric for
        all such counts, so that nothing that a round counts stays unseen.
        """
        for (what, label), n in counts.items():
            place: dict[str, object] = {"topic": topic, "partition": partition}
            model, _, kind = label.rpartition(" ")
            if what == "transitions" and kind in TRANSITIONS.reasons:
                self.add(TRANSITIONS, n, model=model, reason=kind, **place)
            elif what in _COUNTS:
                metric, named, fixed = _COUNTS[what]
                self.add(metric, n, **place, **fixed, **({named: label} if named else {}))
            else:
                self.add(OTHER_COUNTS, n, reason=what, **place)

    def forget_partition(self, partition: int) -> None:
        """Remove the gauges of a partition that is no longer ours, so that its lag is not shown twice; counters stay."""
        for metric, values in self._numbers.items():
            if metric.kind == "gauge" and "partition" in metric.labels:
                at = metric.labels.index("partition")
                for series in [series for series in values if series[at] == str(partition)]:
                    del values[series]

    def collect(self) -> Iterator[Family]:
        """Yield every metric of the catalogue for a scrape, those without values too."""
        for metric, values in self._numbers.items():
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=metric.labels)
            for series, value in list(values.items()):
                family.add_metric(series, value)
            yield family
        for metric, distributions in self._distributions.items():
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for series, distribution in list(distributions.items()):
                histogram.add_metric(series, distribution.buckets(), distribution.total)
            yield histogram

    def exposition(self) -> bytes:
        """Return everything in the text format of Prometheus, the process's own CPU and memory included."""
        return generate_latest(self._registry)

    def _series(self, metric: Metric, kind: Kind, labels: Mapping[str, object]) -> _Series:
        if metric not in self._numbers and metric not in self._distributions:
            raise ValueError(f"{metric.name} is not in the catalogue")
        if metric.kind != kind:
            raise ValueError(f"{metric.name} is a {metric.kind}, not a {kind}")
        if labels.keys() != set(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, got {tuple(labels)}")
        if metric.reasons and labels["reason"] not in metric.reasons:
            raise ValueError(f"{metric.name} has the reasons {metric.reasons}, got {labels['reason']!r}")
        return tuple([str(labels[name]) for name in metric.labels])
