"""What was measured, and how the alerts stand, in Prometheus's text format by prometheus-client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as FamilyOfSamples
from prometheus_client.registry import Collector

from state.alerts.book import AlertBook
from state.alerts.rules import Rules, Severity
from state.metrics.exposition import Exposition, HistogramSample, Values, exposition
from state.metrics.names import FAMILIES, Metric
from state.metrics.totals import Totals

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Gauges = Mapping[Metric, Mapping[Values, float]]


def exposed(totals: Totals | None, book: AlertBook, rules: Rules) -> bytes:
    """All families. Raises `RecordUnreadable` where a sketch contradicts itself."""
    told = _measured(totals)
    counters = {**told.counters, **_alert_counters(book)}
    gauges: _Gauges = {Metric.STORE_UP: {(): 1}, Metric.ALERT_FIRING: _firing(book, rules)}
    return _text(Exposition(counters=counters, histograms=told.histograms), gauges)


def exposed_without_store() -> bytes:
    """Where Redis does not answer: this alone. Series that are missing say nothing, others would be wrong."""
    return _text(Exposition(), {Metric.STORE_UP: {(): 0}})


def _measured(totals: Totals | None) -> Exposition:
    if totals is None:
        return Exposition()
    return exposition(
        totals.cells,
        flushes=totals.flushes,
        flushes_lost=totals.flushes_lost,
        flushes_refused=totals.flushes_refused,
    )


def _alert_counters(book: AlertBook) -> dict[Metric, dict[Values, float]]:
    return {
        Metric.ALERT_MESSAGES: {("made",): book.messages, ("dropped",): book.dropped},
        Metric.ALERT_DELIVERIES: {
            (name, result): count
            for name, channel in book.channels.items()
            for result, count in (("delivered", channel.sent), ("failed", channel.failures))
        },
    }


def _firing(book: AlertBook, rules: Rules) -> dict[Values, float]:
    return {
        (name, severity): float(name in book.alerts and book.alerts[name].severity is severity)
        for name, rule in rules.items()
        for severity in Severity
        if rule.limit_of(severity) is not None
    }


class _Collected(Collector):
    def __init__(self, told: Exposition, gauges: _Gauges) -> None:
        self._told = told
        self._gauges = gauges

    def collect(self) -> Iterator[FamilyOfSamples]:
        for name, samples in self._told.counters.items():
            counter = CounterMetricFamily(name, FAMILIES[name].help, labels=FAMILIES[name].labels)
            for values, value in samples.items():
                counter.add_metric(values, value)
            yield counter
        for name, histograms in self._told.histograms.items():
            histogram = HistogramMetricFamily(name, FAMILIES[name].help, labels=FAMILIES[name].labels)
            for values, sample in histograms.items():
                histogram.add_metric(values, _buckets(name, sample), sample.sum)
            yield histogram
        for name, samples in self._gauges.items():
            gauge = GaugeMetricFamily(name, FAMILIES[name].help, labels=FAMILIES[name].labels)
            for values, value in samples.items():
                gauge.add_metric(values, value)
            yield gauge


def _buckets(name: Metric, sample: HistogramSample) -> list[tuple[str, float]]:
    bounds = [f"{float(bound)}" for bound in FAMILIES[name].bounds]
    return [*zip(bounds, map(float, sample.at_most), strict=True), ("+Inf", float(sample.count))]


def _text(told: Exposition, gauges: _Gauges) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(told, gauges))
    return generate_latest(registry)
