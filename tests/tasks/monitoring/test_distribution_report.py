"""HTML reports of distributions: their content, and which of them are kept."""

import os
import time
from datetime import timedelta

import numpy as np

from tasks.monitoring.distribution_report import prune_reports, write_report
from tests.tasks.monitoring.random_days import KINDS, rows


def test_old_and_surplus_reports_are_deleted_except_the_newest(tmp_path):
    files = [tmp_path / f"drift-1.0.0-2013-03-{day:02}.html" for day in range(1, 7)]
    for age, file in enumerate(reversed(files)):
        file.write_text("a report")
        os.utime(file, times=(time.time() - age * 86400,) * 2)
    other = tmp_path / "ingest.html"
    other.write_text("another report")

    assert prune_reports(tmp_path, kept=4, age_max=timedelta(days=30), newest=files[-1]) == 2
    assert prune_reports(tmp_path, kept=4, age_max=timedelta(days=1.5), newest=files[-1]) == 2
    assert prune_reports(tmp_path, kept=1, age_max=timedelta(seconds=0), newest=files[-1]) == 1
    assert sorted(tmp_path.iterdir()) == sorted([files[-1], other])


def test_the_report_is_one_self_contained_file(tmp_path):
    path = write_report(rows(7, shift=1.0), rows(28), KINDS, tmp_path / "new" / "report.html")
    assert "<html" in path.read_text(encoding="utf-8")[:2000]


def test_a_column_without_any_value_is_left_out(tmp_path):
    path = write_report(rows(7).assign(x=np.nan), rows(28), KINDS, tmp_path / "report.html")
    assert "<html" in path.read_text(encoding="utf-8")[:2000]
