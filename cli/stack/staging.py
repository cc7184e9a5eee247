"""What `autopilot lab up` adds to a stack: a fault proxy with a link before each dependency, load, and an oracle."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import yaml

from cli.stack.ports import LOOPBACK
from cli.stack.service_checks import answers
from cli.stack.services import Service, Stack
from releases.files import write_atomically

__all__ = ["LINKS", "Staging", "target_file"]

LINKS = ("prefect", "gateway", "operate", "feed", "mirror", "mlflow", "ledger", "alert")
LAB_PORTS = ("proxy", "alert", *(f"link_{name}" for name in LINKS))
ALIVE_SECONDS_MAX = 30.0
POSTGRESQL_PORT = 5432
LEDGER_CREDENTIAL = "AUTOPILOT_LAB_LEDGER_PASSWORD"  # what drills against the lab read


def target_file(home: Path) -> Path:
    """The target file of the lab on `home`."""
    return home / "lab" / "target.yaml"


@dataclass(frozen=True, slots=True)
class Staging:
    """A lab around one stack. `ledger_url` and `tracking_uri` are empty where the stack has files of its own."""

    rate_per_second: float
    ledger_url: str
    tracking_uri: str

    def upstreams(self, ports: Mapping[str, int], *, feeds: bool) -> dict[str, str]:
        """`host:port` behind each link, for the dependencies that are servers."""
        own = ["prefect", "gateway", "operate", "alert", *(("feed", "mirror") if feeds else ())]
        upstreams = {name: f"{LOOPBACK}:{ports[name]}" for name in own}
        tracking = urlsplit(self.tracking_uri)
        if tracking.scheme == "http" and tracking.hostname:
            upstreams["mlflow"] = f"{tracking.hostname}:{tracking.port or 80}"
        ledger = sa.make_url(self.ledger_url) if self.ledger_url else None
        if ledger is not None and ledger.host:
            upstreams["ledger"] = f"{ledger.host}:{ledger.port or POSTGRESQL_PORT}"
        return upstreams

    def environment(self, ports: Mapping[str, int], upstreams: Mapping[str, str]) -> dict[str, str]:
        """The addresses of the links, as the settings of every process of the stack."""
        link = {name: f"{LOOPBACK}:{ports[f'link_{name}']}" for name in upstreams}
        names = [name for name in ("gateway", "operate", "feed", "mirror") if name in link]
        environment = {
            **{f"AUTOPILOT_{name.upper()}_URL": f"http://{link[name]}" for name in names},
            "AUTOPILOT_PREFECT_API_URL": f"http://{link['prefect']}/api",
            "PREFECT_API_URL": f"http://{link['prefect']}/api",
            "AUTOPILOT_ALERT_URLS": json.dumps([f"json://{link['alert']}"]),  # a lab sends nothing to people
        }
        if "mlflow" in link:
            environment["AUTOPILOT_MLFLOW_TRACKING_URI"] = (
                urlsplit(self.tracking_uri)._replace(netloc=link["mlflow"]).geturl()
            )
        if "ledger" in link:
            url = sa.make_url(self.ledger_url).set(host=LOOPBACK, port=ports["link_ledger"])
            environment["AUTOPILOT_LEDGER_URL"] = url.render_as_string(hide_password=False)
        return environment

    def around(self, stack: Stack, services: tuple[Service, ...]) -> tuple[Service, ...]:
        """The services of the lab: those of the stack start behind the proxy, load and oracle after the gateway."""
        directory = stack.home / "lab"
        directory.mkdir(exist_ok=True)
        self._write_files(stack, directory)
        alerts = self._alerts(stack, directory)
        proxy = self._proxy(stack, directory)
        behind = [replace(each, after=(*each.after, proxy.name, alerts.name)) for each in services]
        return (alerts, proxy, *behind, self._oracle(stack, directory), self._traffic(stack, directory))

    def _write_files(self, stack: Stack, directory: Path) -> None:
        links = [
            {"name": name, "listen": f"{LOOPBACK}:{stack.ports[f'link_{name}']}", "upstream": upstream, "enabled": True}
            for name, upstream in stack.upstreams.items()
        ]
        write_atomically(directory / "links.json", json.dumps(links, indent=1).encode())
        target = {
            "name": "lab",
            "pipeline": stack.pipeline,
            "home": str(stack.home),
            "pipelines_dir": str(stack.pipelines_dir),
            **self._ledger_of_target(),
            "allow": {"drills": ["*"], "faults": ["ablation"]},
        }
        write_atomically(target_file(stack.home), yaml.safe_dump(target, sort_keys=False).encode())

    def _ledger_of_target(self) -> dict[str, Any]:
        """The ledger on a server, for the target file: its password stays in the environment."""
        if not self.ledger_url:
            return {}
        url = sa.make_url(self.ledger_url)
        credentials = {} if url.password is None else {"credentials": {"ledger": {"env": LEDGER_CREDENTIAL}}}
        open_url = sa.URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
        return {"ledger": open_url.render_as_string(), **credentials}

    def _proxy(self, stack: Stack, directory: Path) -> Service:
        arguments = ("--port", str(stack.ports["proxy"]), "--config", str(directory / "links.json"))
        return Service(
            name="proxy",
            command=(sys.executable, "-m", "chaos.proxy", *arguments),
            environment=stack.environment(),
            healthy=lambda: answers(f"{stack.url('proxy')}/version"),
        )

    def _alerts(self, stack: Stack, directory: Path) -> Service:
        arguments = ("--port", str(stack.ports["alert"]), "--file", str(directory / "alerts.jsonl"))
        return Service(
            name="alerts",
            command=(sys.executable, "-m", "chaos.staging.alert_sink", *arguments),
            environment=stack.environment(),
            healthy=lambda: answers(stack.url("alert")),
        )

    def _oracle(self, stack: Stack, directory: Path) -> Service:
        arguments = ("--release-root", str(stack.release_root), "--directory", str(directory))
        return Service(
            name="oracle",
            command=(sys.executable, "-m", "chaos.staging.oracle", *arguments),
            environment=stack.environment(),
            healthy=lambda: _is_recent(directory / "counts.json"),
        )

    def _traffic(self, stack: Stack, directory: Path) -> Service:
        url = f"{stack.url('gateway')}/invocations"
        arguments = ("--url", url, "--directory", str(directory), "--rate", str(self.rate_per_second))
        return Service(
            name="traffic",
            command=(sys.executable, "-m", "chaos.staging.traffic", *arguments),
            environment=stack.environment(),
            healthy=lambda: _is_recent(directory / "traffic.alive"),
            after=("gateway",),
        )


def _is_recent(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime < ALIVE_SECONDS_MAX
    except FileNotFoundError:
        return False
