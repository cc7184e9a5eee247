"""The resident healer heals without Prefect, one of several leads, and a killed one is replaced."""

import os
import signal
import threading
from datetime import UTC, datetime

import pytest
from prefect.settings import temporary_settings

from healer import watchdog as watchdog_module
from healer.heartbeat import HeartbeatReader, heartbeat_file
from healer.outage import OutageHealer
from healer.watchdog import Watchdog
from healing.evidence import Evidence
from healing.incident import Cause, Remedy, Status
from healing.release import Reason
from tasks.config.pipeline import load_pipeline
from tasks.incidents.offline_lead import OfflineLead
from tasks.incidents.post_mortem.publishing import page_file
from tasks.ledger.outage import MERGED, offline_ledger_file
from tasks.ledger.store import Ledger
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.gateway.running import wait_until
from tests.healer.resident import healer, leader
from tests.published import PIPELINE, bootstrap, corrupt
from tests.tasks.incidents.stories import NO_PREFECT

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # nobody answers there
    monkeypatch.setenv("AUTOPILOT_DISPATCH", "deployment")
    return make_bench(tmp_path, monkeypatch)


def incidents(bench, status):
    with bench.ledger() as ledger:
        return [each for each in ledger.incidents(PIPELINE) if each.status is status]


def test_a_corrupt_champion_is_rolled_back_with_prefect_and_mlflow_away(bench, tmp_path):
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    with bench.serve() as gateway, healer(tmp_path / "healer.log"):
        gateway.wait_for_generation(1)
        gateway.wait_for_worker(older.digest)
        wait_until(lambda: leader(bench.settings.ledger_dsn) is not None, "a healer leads", 120)
        with traffic(gateway, every_seconds=0.02) as codes:
            corrupt(bench.root, champion)
            os.kill(gateway.worker(champion.digest)["pid"], signal.SIGKILL)
            wait_until(lambda: incidents(bench, Status.RECOVERED), "the incident recovers", 90)
        [incident] = incidents(bench, Status.RECOVERED)
    assert (incident.cause, incident.subject) == (Cause.MODEL_CORRUPT, champion.digest)
    assert [attempt.remedy for attempt in incident.attempts] == [Remedy.ROLLBACK]
    assert (bench.current.reason, bench.current.champion) == (Reason.ROLLBACK, older)
    assert set(codes) == {200}


def test_of_two_healers_one_leads_and_the_other_takes_over_when_it_is_killed(bench, tmp_path):
    bootstrap(bench.root, bench.publish(1))
    with healer(tmp_path / "one.log") as one:
        wait_until(lambda: leader(bench.settings.ledger_dsn) is not None, "a healer leads", 120)
        first = leader(bench.settings.ledger_dsn)
        with healer(tmp_path / "two.log") as two:
            wait_until(lambda: "healer_started" in (tmp_path / "two.log").read_text(), "both run", 120)
            one.kill()
            wait_until(
                lambda: (
                    leader(bench.settings.ledger_dsn) is not None
                    and leader(bench.settings.ledger_dsn).token > first.token
                ),
                "a new leader",
                60,
            )
            assert leader(bench.settings.ledger_dsn).holder.endswith(str(two.pid))


def test_a_healer_that_is_told_to_stop_gives_the_lease_back(bench, tmp_path):
    bootstrap(bench.root, bench.publish(1))
    with healer(tmp_path / "healer.log") as process:
        wait_until(lambda: leader(bench.settings.ledger_dsn) is not None, "a healer leads", 120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert leader(bench.settings.ledger_dsn) is None


def test_a_stopped_healer_has_an_old_heartbeat(bench, tmp_path):
    bootstrap(bench.root, bench.publish(1))
    beat = HeartbeatReader(heartbeat_file(bench.settings.home, PIPELINE), age_seconds_max=2.0)
    assert not beat.is_alive()
    with healer(tmp_path / "healer.log") as process:
        wait_until(beat.is_alive, "it beats", 60)
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: not beat.is_alive(), "the heartbeat ages", 30)
        process.send_signal(signal.SIGCONT)
        wait_until(beat.is_alive, "it beats again", 30)


def test_a_healer_writes_the_page_that_a_killed_one_left(bench):
    bootstrap(bench.root, bench.publish(1))
    evidence = Evidence(PIPELINE, Cause.UNKNOWN, "rows", "monitor", datetime.now(UTC), "bad rows")
    with bench.ledger() as ledger:
        ended = ledger.escalate(ledger.record_evidence(evidence).id, "policy escalates unknown")
    watchdog = Watchdog(bench.settings, load_pipeline(PIPELINE, bench.settings.pipelines_dir))
    page = page_file(bench.settings, ended)
    with temporary_settings(NO_PREFECT):  # else an event starts a server in this process
        watchdog._do_less_urgent()  # every ten seconds otherwise
        wait_until(page.exists, "the page is written", 120)
    assert "policy escalates unknown" in page.read_text()


def test_a_chore_that_hangs_delays_no_pass(bench, monkeypatch):
    """Sending an event takes seconds while Prefect is busy; a rollback and its verification must not wait for it."""
    bootstrap(bench.root, bench.publish(1))
    hangs, goes_on, stop, passes = threading.Event(), threading.Event(), threading.Event(), []
    monkeypatch.setattr(watchdog_module, "republish_events", lambda *_: hangs.set() or goes_on.wait(120))
    monkeypatch.setattr(watchdog_module, "SLOW_TICK_SECONDS", 0.0)
    monkeypatch.setattr(watchdog_module, "beat", passes.append)
    watchdog = Watchdog(bench.settings, load_pipeline(PIPELINE, bench.settings.pipelines_dir))
    running = threading.Thread(target=watchdog.run, args=(stop,))
    running.start()
    try:
        wait_until(hangs.is_set, "the chore hangs", 60)
        seen = len(passes)
        wait_until(lambda: len(passes) >= seen + 3, "three more passes", 60)
    finally:
        goes_on.set()
        stop.set()
        running.join(60)


def test_notes_of_an_outage_that_another_healer_of_the_host_still_writes_are_merged_later(bench, monkeypatch):
    monkeypatch.setattr(watchdog_module, "SLOW_TICK_SECONDS", 0.1)
    home, stop, tried = bench.settings.home, threading.Event(), threading.Event()
    finish = OutageHealer.finish_outage
    monkeypatch.setattr(OutageHealer, "finish_outage", lambda *given: (finish(*given), tried.set()))
    file = offline_ledger_file(home, PIPELINE)
    file.parent.mkdir(parents=True)
    with Ledger(f"sqlite:///{file}") as local:
        local.begin_outage(PIPELINE, "the ledger is locked")
        evidence = Evidence(PIPELINE, Cause.MODEL_CORRUPT, "digest", "gateway", datetime.now(UTC), "bad bytes")
        noted = local.record_evidence(evidence)
        local.set_status(noted.id, Status.DISMISSED, "over")

    def merged():
        with bench.ledger() as ledger:
            return [entry for entry in ledger.timeline(PIPELINE) if entry.kind == MERGED]

    healing = threading.Thread(
        target=Watchdog(bench.settings, load_pipeline(PIPELINE, bench.settings.pipelines_dir)).run, args=(stop,)
    )
    with OfflineLead(home, PIPELINE) as other:
        assert other.lock()
        healing.start()
        assert tried.wait(60)
        assert not merged()
    try:
        wait_until(merged, "the notes are merged", 60)
    finally:
        stop.set()
        healing.join(60)
    with bench.ledger() as ledger:
        assert [each.id for each in ledger.incidents(PIPELINE)] == [noted.id]
