"""Only what nobody needs is deleted, and a process that is killed meanwhile leaves nothing half there."""

import os
import time
from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy
from releases.log import abort_of
from releases.store import ModelStore
from tasks.incidents.remedies import free_disk
from tasks.incidents.remedies.free_disk import removables
from tasks.incidents.remedy_action import AttemptRun
from tasks.incidents.remedy_registry import implementation_of
from tasks.rollout.trial_controller_lease import controlling
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE, bootstrap, start_canary
from tests.tasks.incidents.contexts import context

ACTION = implementation_of(Remedy.FREE_DISK)
KEPT = ("lake/tiny/rows/part.parquet", "quarantine/tiny/rows/x.csv", "gateway/tiny/stream-1.jsonl", "mlflow/mlflow.db")
KEPT += ("reports/tiny/incidents/1.html",)


class Killed(Exception):
    """The process was killed here."""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A home with a champion, an aborted candidate, a candidate that a retrain named, and one that nothing names."""
    bench = make_bench(tmp_path, monkeypatch)
    bench.models = [bench.publish(seed) for seed in range(1, 5)]
    champion, aborted, registered, _ = bench.models
    bootstrap(bench.root, champion)
    start_canary(bench.root, aborted, 0.5)
    bench.log.append(abort_of(bench.current, author="test", now=datetime.now(UTC)))
    with bench.ledger() as ledger:
        ledger.record_entry(PIPELINE, "retrain.finished", "1", {"digest": registered.digest})
    for name in (*KEPT, "reports/tiny/ingest/old.html", "tmp/run/a.txt", "releases/tiny/models/.publishing-x/y/z"):
        file = bench.settings.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 5000)
    return bench


def age(bench):
    """Let everything in the home be a month old."""
    then = time.time() - 30 * 24 * 3600
    for path in (bench.settings.home, *bench.settings.home.rglob("*")):
        os.utime(path, (then, then))


@pytest.fixture
def given(bench):
    with bench.ledger() as ledger:
        incident = ledger.record_evidence(Evidence(PIPELINE, Cause.DISK_FULL, "home", "heal", datetime.now(UTC)))
        yield context(bench.settings, ledger, incident, Remedy.FREE_DISK)


def paths(bench):
    return {str(path.relative_to(bench.settings.home)) for path in bench.settings.home.rglob("*") if path.is_file()}


def test_what_nobody_needs_is_deleted_and_listed_and_nothing_else(bench, given):
    unnamed = f"releases/tiny/models/{bench.models[3].digest}"
    expected = {"tmp/run", "releases/tiny/models/.publishing-x", "reports/tiny/ingest/old.html", unnamed}
    age(bench)
    before = paths(bench)
    result = ACTION.apply(given)
    assert result.outcome is AttemptOutcome.SUCCEEDED
    gone = before - paths(bench)
    assert {path for path in gone if not path.startswith(tuple(expected))} == set()
    assert all(any(path.startswith(each) for path in gone) for each in expected)
    assert ModelStore(bench.root).digests() == sorted(model.digest for model in bench.models[:3])
    [entry] = given.ledger.entries(PIPELINE, "disk.freeing")
    assert set(entry.detail["paths"]) == expected
    assert all(name in result.note for name in expected)
    assert ACTION.apply(given).outcome is AttemptOutcome.FUTILE


def test_what_is_new_is_kept(bench, given):
    before = paths(bench)
    assert ACTION.apply(given).outcome is AttemptOutcome.FUTILE
    assert paths(bench) == before


def test_no_model_is_deleted_while_a_controller_may_release_one(bench, given):
    age(bench)
    with controlling(bench.settings.ledger_dsn, PIPELINE):
        found = [each.path for each in removables(bench.settings, PIPELINE, given.ledger)]
    assert [path for path in found if path.name == bench.models[3].digest] == []


@pytest.mark.parametrize("point", ["free_disk.renamed", "free_disk.removed"])
def test_a_killed_remedy_leaves_whole_models_only_and_is_completed(bench, given, monkeypatch, point):
    def kill(reached, **keys):
        if reached == point:
            raise Killed(reached)

    age(bench)
    monkeypatch.setattr(free_disk.crash_points, "reached", kill)
    for _ in range(2):
        with pytest.raises(Killed):
            ACTION.apply(given)
        store = ModelStore(bench.root)
        assert all(store.verify(digest, bench.keys.public) for digest in store.digests())
    monkeypatch.undo()
    assert ACTION.resume(given, AttemptRun(given.attempt)).outcome is AttemptOutcome.SUCCEEDED
    assert list(removables(bench.settings, PIPELINE, given.ledger)) == []
    assert ACTION.resume(given, AttemptRun(given.attempt)).outcome is AttemptOutcome.SUCCEEDED
