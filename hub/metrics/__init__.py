"""What a scraper may ask of one process (Prometheus)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from hub.metrics.table import COUNTER, FIGURES, HISTOGRAM, Figure
from hub.tally import Spread

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]
Reading = float | Spread | Mapping[Labels, float] | Mapping[Labels, Spread]
"""One value, or several by the values of the figure's labels."""


class Metrics(Collector):
    """This process's figures, in a registry of its own: read where they are kept, when somebody asks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._readers: dict[str, Callable[[], Reading]] = {}
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def read(self, readers: Mapping[str, Callable[[], Reading]]) -> None:
        """Where figures are read, by their names in the table; to be called on the event loop, once for each."""
        self._readers |= readers

    def collect(self) -> Iterable[Metric]:
        """All figures of the table, for `prometheus_client`; raises KeyError for one that nobody reads."""
        for figure in FIGURES:
            reading = self._readers[figure.name]()
            yield _family(figure, reading if isinstance(reading, Mapping) else {(): reading})

    def text(self) -> bytes:
        """Everything, in the text format."""
        return generate_latest(self._registry)


def _family(figure: Figure, readings: Mapping[Labels, float | Spread]) -> Metric:
    if figure.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(figure.name, figure.meaning, labels=figure.labels)
        for labels, spread in readings.items():
            assert isinstance(spread, Spread)
            histogram.add_metric(labels, _buckets(spread), spread.total)
        return histogram
    kind = CounterMetricFamily if figure.kind == COUNTER else GaugeMetricFamily
    family = kind(figure.name, figure.meaning, labels=figure.labels)
    for labels, value in readings.items():
        assert not isinstance(value, Spread)
        family.add_metric(labels, value)
    return family


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """Cumulative, as the format has them."""
    buckets, below = [], 0
    for bound, count in zip((*spread.bounds, math.inf), spread.counts, strict=True):
        below += count
        buckets.append((floatToGoString(bound), float(below)))  # type: ignore[no-untyped-call]  # theirs has no types
    return buckets
