"""The page of metrics at the operate port of a gateway that has not started, and what is declared."""

import asyncio
import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.ports.keys import read_keys
from gateway.ports.metrics.page import GATEWAY_METRICS
from gateway.ports.metrics.service import control_plane_text
from gateway.ports.operate import operate_app
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from gateway.workers.warm import WarmForks
from releases.exposition import MetricKind

HEALERS = '# TYPE autopilot_ledger_up gauge\nautopilot_ledger_up{pipeline="tiny"} 1.0\n'


async def page(tmp_path, **changed):
    settings = GatewaySettings(
        pipeline="tiny",
        release_root=tmp_path / "releases",
        public_key=tmp_path / "key.pem",
        state_dir=tmp_path / "gateway",
        **changed,
    )
    app = operate_app(Gateway(settings, WarmForks()), read_keys(settings), asyncio.Event())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://operate") as operate:
        answer = await operate.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


async def test_before_the_first_release_every_metric_is_described(tmp_path):
    families = await page(tmp_path)
    for metric in GATEWAY_METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind.value, metric.documentation)
    (active,) = families["gateway_release_generation_active"].samples
    assert (active.labels, active.value) == ({"pipeline": "tiny"}, 0.0)


async def test_the_process_has_its_metrics(tmp_path):
    families = await page(tmp_path)
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    assert families["process_open_fds"].samples[0].value > 3


async def test_what_the_healer_wrote_is_added(tmp_path):
    file = tmp_path / "tiny.prom"
    file.write_text(HEALERS)
    families = await page(tmp_path, control_plane_metrics_file=file)
    assert families["autopilot_ledger_up"].samples[0].value == 1.0


async def test_without_the_file_of_the_healer_the_page_has_the_rest(tmp_path):
    families = await page(tmp_path, control_plane_metrics_file=tmp_path / "missing.prom")
    assert "gateway_requests" in families
    assert "autopilot_ledger_up" not in families


def test_a_file_without_its_end_is_left_out(tmp_path):
    file = tmp_path / "tiny.prom"
    file.write_text(HEALERS[:-3])
    assert control_plane_text(file) == b""


@pytest.mark.parametrize("metric", GATEWAY_METRICS, ids=lambda metric: metric.name)
def test_names_end_as_prometheus_recommends(metric):
    # One metric has the name that OpenTelemetry's conventions give it.
    assert re.fullmatch(r"gateway_[a-z0-9_]+|http_server_request_duration_seconds", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
    assert metric.documentation.endswith(".")
