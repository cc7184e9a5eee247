"""Counts by upper bound."""

from gateway.reporting.histogram import Histogram


def test_a_value_counts_in_its_bucket_and_all_above():
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    found = histogram.distribution()
    assert found.buckets == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert found.count == 4
    assert found.total == 7.65


def test_without_values_every_bucket_is_empty():
    found = Histogram((1.0,)).distribution()
    assert (found.count, found.total, found.buckets) == (0, 0.0, [("1.0", 0.0), ("+Inf", 0.0)])
