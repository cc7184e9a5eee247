"""Without its ledger the healer rolls back and notifies people once; afterwards the ledger has the whole story."""

import json
import os
import signal
import sqlite3
import time

import pytest
import sqlalchemy as sa

from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.release import Reason
from tasks.ledger.outage import MERGED, UNREACHABLE, offline_ledger_file
from tasks.ledger.store import Ledger
from tests.databases import postgres, postgres_database
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.gateway.running import wait_until
from tests.healer.gate import Gate
from tests.healer.resident import healer, leader
from tests.published import PIPELINE, bootstrap, corrupt

pytestmark = pytest.mark.timeout(240)

RELEASE_SECONDS_MAX = 40.0  # about 4 on a quiet machine: the bound on the ledger, and the rollback; never, without
FIXTURES = (postgres, postgres_database)


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # nobody answers there
    monkeypatch.setenv("AUTOPILOT_DISPATCH", "deployment")
    return make_bench(tmp_path, monkeypatch)


@pytest.fixture
def gate(postgres_database):
    """A gate in front of an empty PostgreSQL database, and the database's URL through the gate."""
    url = sa.make_url(postgres_database)
    opened = Gate(str(url.query["unix_sock"]))
    through = url.set(query={}, host="127.0.0.1", port=opened.port)
    yield opened, through.render_as_string(hide_password=False), postgres_database
    opened.close()


def break_champion(gateway, bench, champion):
    """Corrupt the champion and kill its worker; returns when the gateway reports it."""
    corrupt(bench.root, champion)
    os.kill(gateway.worker(champion.digest)["pid"], signal.SIGKILL)
    wait_until(lambda: ("model_corrupt", champion.digest) in gateway.problems(), "the corruption is reported")
    return time.monotonic()


def recovered(dsn):
    with Ledger(dsn) as ledger:
        return [
            each
            for each in ledger.incidents(PIPELINE)
            if each.cause is Cause.MODEL_CORRUPT and each.status is Status.RECOVERED
        ]


def alerts(bench):
    if not bench.settings.alerts_file.exists():
        return []
    return [json.loads(line) for line in bench.settings.alerts_file.read_text().splitlines()]


def assert_whole_story(dsn, champion):
    """One incident with one successful rollback, one release, and the outage, each once on the timeline."""
    [incident] = recovered(dsn)
    assert [(a.remedy, a.outcome) for a in incident.attempts] == [(Remedy.ROLLBACK, AttemptOutcome.SUCCEEDED)]
    assert incident.subject == champion.digest
    with Ledger(dsn) as ledger:
        kinds = [entry.kind for entry in ledger.timeline(PIPELINE)]
        told = [entry.kind for entry in ledger.timeline(PIPELINE) if entry.subject == incident.id]
    told = [kind for kind in told if kind != "incident.mitigated"]  # as soon as enough clients were answered
    story = [UNREACHABLE, MERGED, "attempt.started", "attempt.applied", "attempt.finished"]
    assert [kinds.count(kind) for kind in story] == [1, 1, 1, 1, 1]
    assert told == [
        "incident.opened",
        "incident.diagnosed",
        "attempt.started",
        "attempt.applied",
        "attempt.finished",
        "incident.recovered",
    ]


def test_a_locked_ledger_delays_no_rollback_and_people_are_notified_once(bench, tmp_path):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    dsn = bench.settings.ledger_dsn
    with bench.serve() as gateway, healer(tmp_path / "healer.log"):
        gateway.wait_for_generation(1)
        gateway.wait_for_worker(older.digest)
        wait_until(lambda: leader(dsn) is not None, "a healer leads", 60)
        locker = sqlite3.connect(bench.settings.home / "ledger.db", isolation_level=None, timeout=30)
        locker.execute("BEGIN EXCLUSIVE")
        with traffic(gateway, every_seconds=0.02) as codes:
            reported = break_champion(gateway, bench, champion)
            wait_until(lambda: bench.current.generation == 2, "the champion is rolled back", 60)
            seconds = time.monotonic() - reported
            wait_until(lambda: alerts(bench), "people are notified", 60)
        assert recovered(f"sqlite:///{offline_ledger_file(bench.settings.home, PIPELINE)}")
        locker.execute("ROLLBACK")
        locker.close()
        wait_until(lambda: recovered(dsn), "the notes are in the ledger", 60)
        wait_until(lambda: len(alerts(bench)) == 2, "people learn that the outage is over", 60)
    assert seconds < RELEASE_SECONDS_MAX
    assert (bench.current.reason, bench.current.champion) == (Reason.ROLLBACK, older)
    assert set(codes) == {200}
    assert_whole_story(dsn, champion)
    assert [(each["cause"], each["subject"], each.get("over")) for each in alerts(bench)] == [
        ("store_unavailable", "ledger", None),
        ("store_unavailable", "ledger", True),
    ]


def test_a_ledger_that_hangs_delays_no_rollback_and_a_healer_killed_meanwhile_is_replaced(
    bench, tmp_path, gate, record_property
):
    passing, through, direct = gate
    bench.monkeypatch.setenv("AUTOPILOT_LEDGER_URL", through)
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.serve() as gateway:
        gateway.wait_for_generation(1)
        gateway.wait_for_worker(older.digest)
        with healer(tmp_path / "first.log") as first:
            wait_until(lambda: leader(direct) is not None, "a healer leads", 60)
            passing.hang()
            reported = break_champion(gateway, bench, champion)
            wait_until(lambda: bench.current.generation == 2, "the champion is rolled back", 60)
            seconds = time.monotonic() - reported
            first.kill()
            first.wait()
        local = f"sqlite:///{offline_ledger_file(bench.settings.home, PIPELINE)}"
        with healer(tmp_path / "second.log"):
            wait_until(lambda: recovered(local), "the second healer finishes offline", 60)
            passing.let_through()
            wait_until(lambda: recovered(direct), "the notes are in the ledger", 60)
    assert seconds < RELEASE_SECONDS_MAX
    assert [release.reason for release in bench.log.history()] == [Reason.BOOTSTRAP, Reason.ROLLBACK]
    assert_whole_story(direct, champion)
