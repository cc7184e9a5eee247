"""A home with a real release root and a real gateway, for tests of the flows that change what serves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from healing.release import ModelRef, Release
from releases.log import ReleaseLog, promotion_of
from releases.signing import Keys, ensure_keys
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tests.gateway.running import RunningGateway, run_gateway, split_body
from tests.published import PIPELINE, publish_tiny_model, start_canary, tiny_rows

ONE_STAGE = "{stages: [{mode: canary, weight: 0.5, requests_min: 20, deadline_seconds: 40}]}"
PIPELINE_YAML = f"""
name: {PIPELINE}
sources: [{{name: only, kind: http, url: "http://127.0.0.1:9"}}]
tables:
  rows:
    role: batch
    path: /rows/{{day}}.csv
    key: [id]
    event_time: at
    columns: {{id: string, at: timestamp, carrier: string, distance: double, hour: long}}
  outcomes:
    role: labels
    path: /outcomes/{{day}}.csv
    key: [id]
    event_time: at
    columns: {{id: string, at: timestamp, late: long}}
key: id
features: json:loads
estimator: json:loads
label: {{table: outcomes, column: late, known_at: at}}
"""


@dataclass
class Bench:
    """The home of one pipeline; `settings` has the gateway's addresses while `serve` runs."""

    settings: Settings
    keys: Keys
    monkeypatch: pytest.MonkeyPatch

    @property
    def root(self) -> Path:
        return self.settings.release_root(PIPELINE)

    @property
    def log(self) -> ReleaseLog:
        return ReleaseLog(self.root)

    @property
    def current(self) -> Release:
        current = self.log.current()
        assert current is not None
        return current

    def ledger(self) -> Ledger:
        return Ledger(self.settings.ledger_dsn)

    def publish(self, seed: int, **options: Any) -> ModelRef:
        return publish_tiny_model(self.root, self.keys, version=f"0.{seed}.0", seed=seed, **options)

    def promote_now(self, model: ModelRef) -> None:
        """Make the model champion with a trial of no duration."""
        start_canary(self.root, model, 0.5)
        self.log.append(promotion_of(self.current, author="test", now=datetime.now(UTC)))

    @contextmanager
    def serve(self, *options: str) -> Iterator[RunningGateway]:
        state_dir = self.settings.gateway_dir(PIPELINE)
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        running = run_gateway(self.root, self.keys, state_dir, *options)
        with running as gateway, self.monkeypatch.context() as patched:
            patched.setenv("AUTOPILOT_GATEWAY_URL", str(gateway.predict.base_url).rstrip("/"))
            patched.setenv("AUTOPILOT_OPERATE_URL", str(gateway.operate.base_url).rstrip("/"))
            yield gateway


def make_bench(folder: Path, monkeypatch: pytest.MonkeyPatch, release: str = ONE_STAGE) -> Bench:
    """A home and a pipeline folder below `folder`; environment variables point the flows to them.

    `release` is the pipeline's release section.
    """
    pipelines = folder / "pipelines"
    (pipelines / PIPELINE).mkdir(parents=True)
    (pipelines / PIPELINE / "pipeline.yaml").write_text(f"{PIPELINE_YAML}release: {release}\n")
    home = folder / "home"
    monkeypatch.setenv("AUTOPILOT_HOME", str(home))
    monkeypatch.setenv("AUTOPILOT_HEAL_HOLD_SECONDS", "0.5")
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(pipelines))
    settings = Settings()
    return Bench(settings, ensure_keys(settings.keys_dir), monkeypatch)


@contextmanager
def traffic(
    gateway: RunningGateway, *, carrier: str | None = None, every_seconds: float = 0.005
) -> Iterator[list[int]]:
    """One client that sends requests until the block ends; yields the status codes. `carrier` replaces every row's."""
    codes: list[int] = []
    stop = threading.Event()
    rows = tiny_rows(200)

    def ask() -> None:
        with httpx.Client(base_url=gateway.predict.base_url, timeout=30) as client:
            for number in range(100_000):
                if stop.wait(every_seconds):
                    return
                row = list(rows[number % len(rows)])
                row[0] = carrier or row[0]
                codes.append(client.post("/invocations", json=split_body([row])).status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield codes
    finally:
        stop.set()
        thread.join()
