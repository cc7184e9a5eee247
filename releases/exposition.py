"""Declared Prometheus metrics, and samples of them as the text that Prometheus reads.

Gateway and healer declare their metrics here in one form, so that documentation, alert rules and dashboards can be
checked against the declarations.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

PIPELINE_LABEL = "pipeline"  # of every metric: one Prometheus may scrape several pipelines


class MetricKind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class MetricDeclaration:
    """`name` is what queries use; a histogram or summary has series with a suffix. `labels` come after `pipeline`."""

    name: str
    kind: MetricKind
    documentation: str
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of the series that Prometheus stores."""
        match self.kind:
            case MetricKind.HISTOGRAM:
                suffixes: tuple[str, ...] = ("_bucket", "_sum", "_count")
            case MetricKind.SUMMARY:
                suffixes = ("_sum", "_count")
            case _:
                suffixes = ("",)
        return tuple(self.name + suffix for suffix in suffixes)


@dataclass(frozen=True, slots=True)
class Distribution:
    """The value of a histogram or summary. `buckets` are cumulative counts by upper bound; a summary has none."""

    count: int
    total: float
    buckets: Sequence[tuple[str, float]] = ()


class Sample(NamedTuple):
    """One value of a metric, with the values of its labels."""

    metric: MetricDeclaration
    labels: tuple[str, ...]
    value: float | Distribution


def exposition(declared: Iterable[MetricDeclaration], pipeline: str, samples: Iterable[Sample]) -> bytes:
    """The samples as text; a declared metric without a sample has only its description.

    ValueError for a sample whose metric is not declared, or whose labels are others than declared.
    """
    by_metric: dict[MetricDeclaration, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_metric[sample.metric].append(sample)
    families = [_family(metric, pipeline, by_metric.pop(metric, [])) for metric in declared]
    if by_metric:
        raise ValueError(f"expected declared metrics, found {[metric.name for metric in by_metric]}")
    return generate_latest(_Families(families))


class _Families(Collector):
    """What `generate_latest` reads."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _family(metric: MetricDeclaration, pipeline: str, samples: Iterable[Sample]) -> Metric:
    names = (PIPELINE_LABEL, *metric.labels)
    family = _FAMILIES[metric.kind](metric.name, metric.documentation, labels=names)
    for sample in samples:
        labels = (pipeline, *sample.labels)
        if len(labels) != len(names):
            raise ValueError(f"{metric.name}: expected values for the labels {names}, found {labels}")
        _add(family, labels, sample.value)
    return family


def _add(family: Metric, labels: tuple[str, ...], value: float | Distribution) -> None:
    match family, value:
        case HistogramMetricFamily(), Distribution(buckets=buckets, total=total):
            family.add_metric(labels, list(buckets), sum_value=total)
        case SummaryMetricFamily(), Distribution(count=count, total=total):
            family.add_metric(labels, count_value=count, sum_value=total)
        case ((CounterMetricFamily() | GaugeMetricFamily()), int() | float()):
            family.add_metric(labels, value)
        case _:
            raise ValueError(f"{family.name}: {value!r} is no value of a {family.type}")


_FAMILIES: dict[MetricKind, type[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | SummaryMetricFamily]]
_FAMILIES = {
    MetricKind.COUNTER: CounterMetricFamily,
    MetricKind.GAUGE: GaugeMetricFamily,
    MetricKind.HISTOGRAM: HistogramMetricFamily,
    MetricKind.SUMMARY: SummaryMetricFamily,
}
