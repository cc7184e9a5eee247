"""Without an address for traces, nothing of them is loaded, and no request passes through code that knows of them."""

import inspect
import subprocess
import sys

import pytest

from gateway.batching import batcher, request_queue
from gateway.log import appender, predictions
from gateway.ports import predict, request_handler
from gateway.routing import accounting, ladder
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from gateway.wire import exchange, http, mlflow
from gateway.workers import group, worker
from gateway.workers.warm import WarmForks

PATH_OF_A_REQUEST = (
    *(exchange, http, predict, request_handler, mlflow, ladder, accounting, batcher, request_queue, group, worker),
    *(predictions, appender),
)


@pytest.mark.parametrize("module", PATH_OF_A_REQUEST, ids=lambda module: module.__name__)
def test_the_path_of_a_request_has_no_branch_for_traces(module):
    source = inspect.getsource(module).lower()
    assert [word for word in ("span", "tracer", "tracing", "traceparent", "telemetry") if word in source] == []


async def test_a_gateway_without_traces_is_made_of_the_plain_parts(tmp_path):
    paths = {"release_root": tmp_path, "public_key": tmp_path / "key", "state_dir": tmp_path / "state"}
    gateway = Gateway(GatewaySettings(pipeline="tiny", **paths), WarmForks())
    assert gateway.tracer is None
    assert type(gateway.log) is predictions.PredictionLog
    assert type(gateway.ladder) is ladder.Ladder
    assert type(gateway.requests) is request_handler.RequestHandler
    assert gateway.pool._batcher is batcher.Batcher


def test_a_gateway_without_traces_loads_nothing_of_them(tmp_path):
    code = """
import asyncio, sys
import gateway.__main__, gateway.server, gateway.ports.operate, gateway.ports.predict, gateway.wire.http
from gateway.server import _traced
from gateway.service import Gateway
from gateway.settings import parse_settings
from gateway.workers.warm import WarmForks
async def make():
    settings = parse_settings(["--pipeline", "p", "--release-root", "r", "--public-key", "k", "--state-dir", "s"])
    gateway = Gateway(settings, WarmForks())
    assert _traced(gateway, gateway.tracer) is gateway
asyncio.run(make())
traces = ("opentelemetry", "gateway.tracing", "google", "requests")
print(sorted(name for name in sys.modules if name.startswith(traces)))
"""
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert loaded.stdout.strip() == "[]"
