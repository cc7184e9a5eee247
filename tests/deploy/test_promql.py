"""Reading metric names from queries."""

import pytest

from tests.deploy.promql import metrics_of


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("up == 0", {"up"}),
        ('rate(requests_total{rung=~"a|b"}[5m]) > 14.4 * 0.01', {"requests_total"}),
        ("sum by (pipeline, version) (rate(a_total[1m])) / (sum by (pipeline) (b) > 0)", {"a_total", "b"}),
        ("a * on (version) group_left (role) max by (version) (b)", {"a", "b"}),
        ("pipeline:requests:ratio_rate5m >= 5 and absent(up)", {"pipeline:requests:ratio_rate5m", "up"}),
        ('rate(a_total{x="$y"}[$__rate_interval])', {"a_total"}),
        ("max (a) or time() - b unless c", {"a", "b", "c"}),
    ],
)
def test_only_metrics_are_named(query, named):
    assert metrics_of(query) == named
