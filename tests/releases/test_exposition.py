"""The text of declared metrics, as a Prometheus client reads it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from releases.exposition import Distribution, MetricDeclaration, MetricKind, Sample, exposition

REQUESTS = MetricDeclaration("requests_total", MetricKind.COUNTER, "Requests.", ("status",))
QUEUE = MetricDeclaration("queue_rows", MetricKind.GAUGE, "Rows that wait.")
SECONDS = MetricDeclaration("duration_seconds", MetricKind.HISTOGRAM, "Time.")
RECOVERY = MetricDeclaration("recovery_seconds", MetricKind.SUMMARY, "Time to recover.", ("cause",))
DECLARED = (REQUESTS, QUEUE, SECONDS, RECOVERY)


def read(samples):
    text = exposition(DECLARED, "flights", samples).decode()
    families = text_string_to_metric_families(text)
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_every_kind_of_metric_is_written_with_the_label_of_the_pipeline():
    samples = [
        Sample(REQUESTS, ("200",), 3),
        Sample(QUEUE, (), 1.5),
        Sample(SECONDS, (), Distribution(2, 0.7, [("0.5", 1.0), ("+Inf", 2.0)])),
        Sample(RECOVERY, ("model_slow",), Distribution(2, 9.0)),
    ]
    pipeline, cause = ("pipeline", "flights"), ("cause", "model_slow")
    assert read(samples) == {
        ("requests_total", pipeline, ("status", "200")): 3.0,
        ("queue_rows", pipeline): 1.5,
        ("duration_seconds_bucket", ("le", "0.5"), pipeline): 1.0,
        ("duration_seconds_bucket", ("le", "+Inf"), pipeline): 2.0,
        ("duration_seconds_count", pipeline): 2.0,
        ("duration_seconds_sum", pipeline): 0.7,
        ("recovery_seconds_count", cause, pipeline): 2.0,
        ("recovery_seconds_sum", cause, pipeline): 9.0,
    }


def test_the_names_of_series_are_those_that_are_written():
    written = {name for name, *_ in read([Sample(SECONDS, (), Distribution(0, 0.0, [("+Inf", 0.0)]))])}
    assert written == set(SECONDS.series)
    assert REQUESTS.series == ("requests_total",)
    assert RECOVERY.series == ("recovery_seconds_sum", "recovery_seconds_count")


def test_a_declared_metric_without_a_sample_is_described():
    assert b"# HELP queue_rows Rows that wait.\n# TYPE queue_rows gauge\n" in exposition(DECLARED, "flights", ())


def test_a_metric_that_is_not_declared_is_refused():
    with pytest.raises(ValueError, match="expected declared metrics, found \\['queue_rows'\\]"):
        exposition((REQUESTS,), "flights", [Sample(QUEUE, (), 1)])


def test_other_labels_than_declared_are_refused():
    with pytest.raises(ValueError, match="requests_total: expected values for the labels"):
        exposition(DECLARED, "flights", [Sample(REQUESTS, (), 1)])


@pytest.mark.parametrize(("metric", "value"), [(QUEUE, Distribution(1, 1.0)), (SECONDS, 1.0)])
def test_a_value_of_another_kind_is_refused(metric, value):
    with pytest.raises(ValueError, match="is no value of a"):
        exposition(DECLARED, "flights", [Sample(metric, (), value)])
