"""The metrics of several processes as those of one, each series with the number of its process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_LABEL = "process"


def merged(pages: Mapping[int, bytes]) -> bytes:
    """
    Return all *pages* as one, in the text format of Prometheus.

    Args:
        pages: What each process answers, by its number. A series that names a process already keeps that.
    """
    registry = CollectorRegistry()
    registry.register(_Families(pages))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, pages: Mapping[int, bytes]) -> None:
        self._pages = pages

    def collect(self) -> Iterator[Family]:
        families: dict[str, Family] = {}
        for number, page in sorted(self._pages.items()):
            for family in text_string_to_metric_families(page.decode()):
                into = families.setdefault(family.name, Family(family.name, family.documentation, family.type))
                for sample in family.samples:
                    into.samples.append(sample._replace(labels={_LABEL: str(number), **sample.labels}))
        yield from families.values()

    def describe(self) -> list[Family]:
        return []
