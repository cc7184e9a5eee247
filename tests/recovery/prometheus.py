"""A real Prometheus and a real Alertmanager beside a gateway, with the deployed rules in shorter time.

Every duration of the rules is divided by `TIME_FACTOR`, so that an hour is a minute. Alertmanager sends to a server of
the test, which keeps what it gets.
"""

import re
import shutil
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager

import httpx
import yaml

from deploy.metrics_page import RULES_FOLDER
from tests.chaos.standin import JsonServer
from tests.gateway.running import wait_until

TIME_FACTOR = 60
START_SECONDS = 120.0
BINARIES = ("prometheus", "prometheus-alertmanager")
_RANGE = re.compile(r"(?<=\[)\d+[smhd](?=\])")
_FOR = re.compile(r"(?<=for: )\d+[smhd]\b")
_RANGE_SECONDS_MIN = 3  # a rate needs two scrapes
_FOR_SECONDS_MIN = 10  # a busy machine answers a scrape late, and Prometheus takes seconds to begin
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def missing_binaries():
    """The programs of Debian's packages `prometheus` and `prometheus-alertmanager` that are not installed."""
    return [name for name in BINARIES if shutil.which(name) is None]


def in_short_time(rules):
    """The text of rules with every range and `for` divided by the time factor, down to a few seconds."""
    rules = _RANGE.sub(lambda found: _shortened(found[0], _RANGE_SECONDS_MIN), rules)
    return _FOR.sub(lambda found: _shortened(found[0], _FOR_SECONDS_MIN), rules)


def _shortened(duration, seconds_min):
    return f"{max(seconds_min, int(duration[:-1]) * _SECONDS[duration[-1]] // TIME_FACTOR)}s"


class Monitoring:
    """What Prometheus knows, and the alerts that people were notified of."""

    def __init__(self, prometheus, received):
        self._prometheus = prometheus
        self.received = received

    def value(self, query):
        """The value of a query with one result; None without a result."""
        result = self._results(query)
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else None

    def fired(self):
        """The names of the alerts to page that have ever been firing."""
        ever = 'count by (alertname) (max_over_time(ALERTS{severity="page", alertstate="firing"}[1h]))'
        return {each["metric"]["alertname"] for each in self._results(ever)}

    def _results(self, query):
        return self._prometheus.get("/api/v1/query", params={"query": query}).json()["data"]["result"]

    def notified(self, alert, severity, status):
        """Whether people were notified that an alert is `firing` or `resolved`."""
        return any(
            (each["labels"]["alertname"], each["labels"]["severity"], each["status"]) == (alert, severity, status)
            for each in list(self.received)
        )

    def pages(self):
        """The names of the alerts that people were paged for."""
        return {each["labels"]["alertname"] for each in list(self.received) if each["labels"]["severity"] == "page"}


@contextmanager
def monitoring(folder, operate_address):
    """Prometheus that scrapes this operate port once per second, and Alertmanager that notifies at once."""
    received = []

    def take(_method, _path, _headers, body):
        received.extend(body["alerts"])
        return 200, {}, {}

    with ExitStack() as running:
        receiver = running.enter_context(JsonServer(take))
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        running.callback(receiver.shutdown)
        manager, prometheus = _free_address(), _free_address()
        _write_configuration(folder, operate_address, manager, receiver.url)
        running.enter_context(
            _program(
                folder,
                "prometheus-alertmanager",
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={manager}",
                "--cluster.listen-address=",
            )
        )
        running.enter_context(
            _program(
                folder,
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={prometheus}",
            )
        )
        client = running.enter_context(httpx.Client(base_url=f"http://{prometheus}", trust_env=False, timeout=30))
        for address in (manager, prometheus):
            wait_until(lambda address=address: _is_ready(address), f"{address} is ready", START_SECONDS)
        yield Monitoring(client, received)


def _write_configuration(folder, operate_address, manager, receiver):
    folder.mkdir()
    config = yaml.safe_load((RULES_FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [operate_address]}]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [manager]}]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name in config["rule_files"]:
        (folder / name).write_text(in_short_time((RULES_FOLDER / name).read_text()))
    at_once = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    route = {"receiver": "test", "group_by": ["alertname", "severity", "pipeline"], **at_once}
    hook = {"name": "test", "webhook_configs": [{"url": receiver, "send_resolved": True}]}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump({"route": route, "receivers": [hook]}))


@contextmanager
def _program(folder, name, *arguments):
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen([name, *arguments], stdout=log, stderr=log, cwd=folder)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _is_ready(address):
    try:
        return httpx.get(f"http://{address}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False
