"""`docs/metrics.md` has every metric and every alert."""

import pytest

from benchmarks.result import PROJECT
from deploy.metrics_page import ALL_METRICS, with_tables

PAGE = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_the_tables_are_current():
    assert with_tables(PAGE) == PAGE, "run: python -m deploy.metrics_page docs/metrics.md"


def test_a_page_without_a_place_for_a_table_is_refused():
    with pytest.raises(ValueError, match="expected a place"):
        with_tables("# Metrics")


def test_no_name_is_declared_twice():
    names = [metric.name for metric in ALL_METRICS]
    assert len(names) == len(set(names))
