"""The dashboards for Grafana: their JSON is current, and every query names metrics that exist."""

import json

import pytest

from deploy.grafana.write import DASHBOARDS, FOLDER
from deploy.metrics_page import ALL_METRICS
from tests.deploy.promql import metrics_of

SERIES = {series for metric in ALL_METRICS for series in metric.series}
WIDTH = 24


def panels(name):
    return [panel for panel in json.loads((FOLDER / name).read_text())["panels"] if panel["type"] != "row"]


QUERIES = [
    (panel["title"], target["expr"]) for name in DASHBOARDS for panel in panels(name) for target in panel["targets"]
]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_json_is_current(name):
    assert (FOLDER / name).read_text() == DASHBOARDS[name](), "run: python -m deploy.grafana.write"


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_names_metrics_that_exist_and_the_chosen_pipeline(title, query):
    assert metrics_of(query) != set()
    assert metrics_of(query) - SERIES == set(), title
    assert query.count('pipeline="$pipeline"') >= len(metrics_of(query))


def test_every_metric_is_on_a_dashboard_or_counts_what_another_shows():
    shown = {metric for _, query in QUERIES for metric in metrics_of(query)}
    missing = {metric.name for metric in ALL_METRICS if not shown & set(metric.series)}
    assert missing == {
        "autopilot_drill_started_timestamp_seconds",
        "autopilot_monitor_recorded_timestamp_seconds",
        "gateway_events_dropped_total",
        "gateway_loop_failures_total",
        "gateway_release_generation_desired",
        "gateway_requests_abandoned_total",
        "gateway_rows_total",
        "gateway_spans_total",
        "gateway_spans_waiting",
        "gateway_trial_aborted",
        "gateway_trial_observations",
        "gateway_version_batch_duration_seconds",
        "gateway_version_confidence_ratio",
        "gateway_version_error_ratio",
        "gateway_version_latency_p99_seconds",
        "gateway_version_queue_wait_seconds",
        "gateway_workers_ready",
        "gateway_workers_wanted",
        "http_server_request_duration_seconds",
    }


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_names_of_their_own_and_stand_side_by_side(name):
    titles = [panel["title"] for panel in panels(name)]
    assert len(titles) == len(set(titles))
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= WIDTH for panel in panels(name))
    corners = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels(name)]
    assert len(corners) == len(set(corners))
