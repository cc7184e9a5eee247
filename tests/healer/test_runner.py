"""An ingest does not wait for a worker that is gone: it runs as a local process, with the Prefect that answers."""

from datetime import UTC, datetime, timedelta

import pytest

from healer import runner
from healer.runner import RunnerWithFallback
from tasks.config.settings import load_settings
from tasks.runtime.local_runs import PREFIX
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE
from tests.tasks.incidents.probes.test_ingest_schedule import prefect

FIXTURES = (prefect,)


@pytest.fixture
def started(tmp_path, monkeypatch, prefect):
    """Starts an ingest with a key, and says how: as a run of Prefect, or the arguments of a local one."""
    make_bench(tmp_path, monkeypatch)
    monkeypatch.setenv("AUTOPILOT_DISPATCH", "deployment")
    monkeypatch.setattr(runner, "start_run", lambda *_: "a run of Prefect")
    monkeypatch.setattr(runner, "start_local_run", lambda *_, **options: f"{PREFIX}{options}")
    return lambda name="ingest": RunnerWithFallback(load_settings()).run(
        f"{name}/{name}", {"pipeline": PIPELINE}, "incident/1"
    )


def test_an_ingest_is_local_only_while_no_worker_asks_for_runs(started, prefect):
    assert started() == "a run of Prefect"  # Prefect does not say when it was asked
    prefect.last_polled = datetime.now(UTC)
    assert started() == "a run of Prefect"
    prefect.last_polled -= timedelta(minutes=1)
    assert started() == f"{PREFIX}{{'prefect_answers': True}}"
    assert started("retrain") == "a run of Prefect"
    prefect.silent = True
    assert started() == "a run of Prefect"  # which finds that Prefect is away
