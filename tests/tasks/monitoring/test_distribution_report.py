"""HTML reports of distributions: their content, and which of them are kept."""

import os
import re
import time
from datetime import timedelta

import numpy as np
import pytest
from evidently.ui.workspace import Workspace

from tasks.monitoring.distances import columns_of
from tasks.monitoring.distribution_report import keep_snapshot, prune_reports, snapshot_of
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


@pytest.fixture(scope="module")
def samples():
    return rows(7, shift=1.0, per_day=1_000), rows(28, per_day=1_000)


@pytest.fixture(scope="module")
def snapshot(samples):
    return snapshot_of(*samples, KINDS)


def test_the_report_has_the_distances_of_the_verdict_over_all_rows(samples, snapshot):
    columns = [columns_of(sample, KINDS) for sample in samples]
    expected = {name: columns[0][name].distance(columns[1][name]) for name in KINDS}
    shown = {metric["config"]["column"]: metric["value"] for metric in snapshot.dict()["metrics"]}
    assert shown == pytest.approx(expected, rel=1e-9)


def test_the_page_is_one_self_contained_file(snapshot, tmp_path):
    snapshot.save_html(str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<html" in page[:2000]
    assert not re.search(r"""<(?:script|link|img)[^>]*(?:src|href)=["']https?:""", page)


def test_a_column_without_any_value_is_left_out():
    metrics = snapshot_of(rows(7).assign(x=np.nan), rows(28), KINDS).dict()["metrics"]
    assert [metric["config"]["column"] for metric in metrics] == ["kind"]


def test_the_workspace_keeps_the_last_snapshots_of_each_pipeline(snapshot, tmp_path):
    for day in range(1, 6):
        keep_snapshot(snapshot, tmp_path, "flights", f"1.0.0-2013-03-0{day}", kept=3)
    keep_snapshot(snapshot, tmp_path, "loans", "1.0.0-2013-03-01", kept=3)
    workspace = Workspace(str(tmp_path))
    projects = {project.name: workspace.list_runs(project.id) for project in workspace.list_projects()}
    assert {name: len(runs) for name, runs in projects.items()} == {"flights": 3, "loans": 1}
    names = sorted(
        workspace.get_run(project.id, run).name
        for project in workspace.list_projects()
        if project.name == "flights"
        for run in projects["flights"]
    )
    assert names == ["1.0.0-2013-03-03", "1.0.0-2013-03-04", "1.0.0-2013-03-05"]
