"""Metrics reach a store on another machine: the set-up of docs/tracing.md, with a real Prometheus on both sides."""

import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import yaml

from benchmarks.result import PROJECT
from deploy.metrics_page import RULES_FOLDER
from healer.metrics import HEALER_METRICS
from releases.exposition import MetricKind, Sample, exposition
from tests.gateway.running import wait_until

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
PAGE = PROJECT / "docs" / "tracing.md"
GAUGE = next(metric for metric in HEALER_METRICS if metric.kind is MetricKind.GAUGE and not metric.labels)


def remote_write():
    """What the page says to add."""
    (block,) = [
        found for found in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL) if "remote_write" in found
    ]
    return yaml.safe_load(block)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = exposition(HEALER_METRICS, "flights", [Sample(GAUGE, (), 7.0)])
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def metrics_page():
    """The port of a page with one of the healer's metrics."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def prometheus(folder, config, *options):
    """A Prometheus with this configuration; yields its address."""
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    files = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}")
    command = [PROMETHEUS, *files, f"--web.listen-address={address}", *options]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_ready(address) or process.poll() is not None, "Prometheus is ready")
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def is_ready(address):
    try:
        return httpx.get(f"http://{address}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.skipif(PROMTOOL is None, reason="needs Debian's package prometheus")
def test_the_page_adds_to_our_configuration_what_prometheus_accepts(tmp_path):
    added = remote_write()
    added["remote_write"][0]["authorization"]["credentials_file"] = str(tmp_path / "remote.key")
    (tmp_path / "remote.key").write_text("key")
    config = yaml.safe_load((RULES_FOLDER / "prometheus.yml").read_text())
    config["rule_files"] = [str(path) for path in sorted(RULES_FOLDER.glob("*.rules.yml"))]
    for job in config["scrape_configs"]:
        job.pop("authorization", None)
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({**config, **added}))
    command = [PROMTOOL, "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMETHEUS is None, reason="needs Debian's package prometheus")
def test_a_metric_of_the_healer_is_in_the_remote_store(tmp_path):
    with ExitStack() as stack:
        page = stack.enter_context(metrics_page())
        store = stack.enter_context(prometheus(tmp_path / "store", {}, "--web.enable-remote-write-receiver"))
        target = remote_write()["remote_write"][0]
        target |= {"url": f"{store}/api/v1/write"}
        del target["authorization"]  # the store has no keys
        target["queue_config"]["batch_send_deadline"] = "100ms"
        job = {"job_name": "autopilot-gateway", "static_configs": [{"targets": [f"127.0.0.1:{page}"]}]}
        config = {"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}, "scrape_configs": [job]}
        stack.enter_context(prometheus(tmp_path / "scraper", {**config, "remote_write": [target]}))

        def stored():
            answer = httpx.get(f"{store}/api/v1/query", params={"query": GAUGE.name}, trust_env=False, timeout=60)
            return answer.json()["data"]["result"]

        (series,) = wait_until(stored, "the metric arrives")
    assert series["metric"].items() >= {"pipeline": "flights", "job": "autopilot-gateway"}.items()
    assert float(series["value"][1]) == 7.0
    assert abs(series["value"][0] - time.time()) < 600
