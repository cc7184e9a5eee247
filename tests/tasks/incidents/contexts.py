"""Contexts for remedies and probes that are tested without `heal`."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from healing.incident import Attempt, Incident, Remedy
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings
from tasks.incidents.probe import ProbeContext
from tasks.incidents.remedy_action import RemedyContext
from tasks.ledger.store import Ledger
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE


@dataclass
class RecordingRunner:
    """Records which flows it was asked to start, and starts none."""

    detached: bool = True
    started: list[tuple[str, dict[str, object], str]] = field(default_factory=list)

    def run(self, deployment, parameters, idempotency_key) -> str:
        self.started.append((deployment, dict(parameters), idempotency_key))
        return run_id_of(idempotency_key)


def run_id_of(idempotency_key: str) -> str:
    """The id of the run that RecordingRunner pretends to have started."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, idempotency_key))


def context(settings: Settings, ledger: Ledger, incident: Incident, remedy: Remedy, number: int = 1) -> RemedyContext:
    """The context of an attempt that starts now."""
    attempt = Attempt(number, remedy, datetime.now(UTC))
    return RemedyContext(settings, ledger, RecordingRunner(), incident, attempt, f"{incident.cause}: a test")


@contextmanager
def probe_context(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProbeContext]:
    """What a probe looks with: the home of a pipeline without releases, and an empty ledger."""
    bench = make_bench(folder, monkeypatch)
    with bench.ledger() as ledger:
        yield ProbeContext(bench.settings, load_pipeline(PIPELINE, bench.settings.pipelines_dir), ledger)
