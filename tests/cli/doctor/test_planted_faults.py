"""Real faults in a home, one per test: the doctor names each, with what was found and a fix, and finds nothing else."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from chaos.faults.disabled_remedy import DisabledRemedy
from chaos.leases import Lease
from chaos.processes import ProcessName
from cli.stack.home import ADDRESSES_FILE, Processes, write_processes
from cli.stack.orphans import MARK_VARIABLE
from cli.stack.ports import LOOPBACK
from releases.log import ReleaseLog
from releases.signing import keys_in
from releases.store import ModelStore
from tasks.config.settings import Settings
from tasks.incidents.pipeline_pause import pause_pipeline
from tasks.ledger.lease_holder import this_process
from tasks.ledger.leases import Leases, healer_lease
from tasks.ledger.store import Ledger
from tasks.runtime.outbox import Message, Outbox
from tests.cli.doctor.sound_home import PIPELINE, examine

SLEEP = [sys.executable, "-c", "import signal; signal.pause()"]


def the_finding(check, *words):
    """The only finding, which is one of this check and has a fix."""
    code, [found] = examine(*words)
    assert (code, found["check"]) == (1, check)
    assert found["expected"]
    assert found["fix"]
    return found


def root(home):
    return home / "releases" / PIPELINE


@contextmanager
def ended_process():
    """A process that has ended, by its pid."""
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def test_bytes_of_the_ledger_that_were_overwritten(home):
    ledger = home / "ledger.db"
    size = ledger.stat().st_size
    with ledger.open("r+b") as file:
        for offset in range(4096, size, 4096):  # the first page stays: it still looks like a database
            file.seek(offset)
            file.write(b"\xff" * 512)  # no kind of page begins like this
    found = the_finding("databases")
    assert found["subject"] == str(ledger)
    assert "sqlite3" in found["fix"]


def test_a_file_that_is_no_database(home):
    (home / "mlflow").mkdir()
    (home / "mlflow/mlflow.db").write_bytes(b"this is no database" * 100)
    assert "not a database" in the_finding("databases")["found"]


def test_a_process_that_keeps_the_ledger_locked(home):
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('BEGIN IMMEDIATE')"
    wait = "\nprint('locked', flush=True); import signal; signal.pause()"
    command = [sys.executable, "-c", script + wait, str(home / "ledger.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = the_finding("databases")
        process.kill()
    assert f"process {process.pid}" in found["found"]
    assert found["fix"].endswith(f"`kill {process.pid}`")


def test_a_private_key_that_others_may_read(home):
    private = keys_in(home / "keys").private
    private.chmod(0o644)
    found = the_finding("keys")
    assert (found["found"], found["fix"]) == ("mode 0644", f"chmod 600 {private}")


def test_a_private_key_that_is_gone(home):
    private = keys_in(home / "keys").private
    private.unlink()
    found = the_finding("keys")
    assert (found["subject"], found["found"]) == (str(private), "no such file")


def test_a_public_key_of_another_pair(home, tmp_path):
    from releases.signing import ensure_keys

    other = ensure_keys(tmp_path / "other")
    keys_in(home / "keys").public.write_bytes(other.public.read_bytes())
    code, found = examine()
    assert code == 1
    assert {each["check"] for each in found} == {"keys", "release_log", "models"}  # it verifies nothing either


def test_a_file_of_api_keys_that_others_may_read(home, monkeypatch):
    file = home.parent / "keys.json"
    file.write_text(json.dumps({"operate": ["a" * 20]}))
    file.chmod(0o640)
    monkeypatch.setenv("AUTOPILOT_GATEWAY_KEYS_FILE", str(file))
    found = the_finding("keys")
    assert found["fix"] == f"chmod 600 {file}"
    assert "a" * 20 not in json.dumps(found)


@pytest.mark.parametrize("free_mib", [2**40])
def test_a_disk_with_less_space_than_asked_for(home, free_mib):
    code, found = examine("--free-mib", str(free_mib))
    assert code == 1
    assert {each["check"] for each in found} == {"disk"}
    assert "MiB free" in found[0]["found"]


def test_a_release_log_that_cannot_be_written(home):
    (root(home) / "log").chmod(0o500)
    found = the_finding("permissions")
    assert (found["found"], found["fix"]) == ("mode 0500", f"chmod u+rwx {root(home) / 'log'}")
    (root(home) / "log").chmod(0o700)


def test_a_home_that_anybody_may_write(home):
    home.chmod(0o777)
    assert "anybody" in the_finding("permissions")["found"]


def test_a_port_of_the_stack_that_another_process_has_taken(home):
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        write_processes(home, Processes(mark="gone", pipeline=PIPELINE, ports={"gateway": port}))
        found = the_finding("ports")
    assert found["subject"] == f"port {port}"
    assert f"process {os.getpid()}" in found["found"]


def test_a_lease_whose_holder_was_killed(home):
    with ended_process() as process:
        holder = this_process().rsplit("/", 2)[0] + f"/1/{process.pid}"
    leases = Leases(f"sqlite:///{home / 'ledger.db'}")
    leases.acquire(healer_lease(PIPELINE), holder)
    leases.close()
    found = the_finding("leases")
    assert found["subject"] == healer_lease(PIPELINE)
    assert holder in found["found"]


def test_a_fault_of_a_drill_that_was_killed(home):
    with ended_process() as process:
        holder = ProcessName.of(process.pid)
    fault = DisabledRemedy(home=home, remedy="rollback", seconds_max=600)
    now = time.time()
    lease = Lease(id="1", fault=fault, holder=holder, taken_at=now, expires_at=now + 600)
    directory = home / "drills/noop/20260101T000000Z/leases"
    directory.mkdir(parents=True)
    (directory / "1.lease.json").write_text(lease.model_dump_json())
    found = the_finding("leases")
    assert "drill noop" in found["subject"]
    assert found["fix"] == "autopilot drill clear"


@pytest.mark.parametrize("seconds", [-60.0, 600.0])
def test_a_remedy_that_a_drill_left_disabled(home, seconds):
    DisabledRemedy(home=home, remedy="rollback", seconds_max=seconds).inject()
    assert the_finding("pauses")["subject"] == "remedy rollback"


def test_a_policy_with_two_faults(home):
    policy = home.parent / "pipelines/policy.yaml"
    policy.write_text("limits: {attempts_max: 0}\ncauses: {model_slow: [retry]}\n")
    code, found = examine()
    assert code == 1
    assert [each["check"] for each in found] == ["configuration", "configuration"]
    assert "limits.attempts_max" in found[0]["found"]
    assert "causes.model_slow" in found[1]["found"]


def test_code_of_a_pipeline_that_cannot_be_imported(home):
    (home.parent / "pipelines/small/model.py").write_text("def build_features(tables:\n")
    code, found = examine(PIPELINE)
    assert code == 1
    assert {each["check"] for each in found} == {"configuration"}
    assert "SyntaxError" in found[0]["found"]


def test_a_ledger_with_times_from_the_future(home):
    later = datetime.now(UTC) + timedelta(hours=2)
    with Ledger(f"sqlite:///{home / 'ledger.db'}", now=lambda: later) as ledger:
        ledger.record_entry(PIPELINE, "test.recorded", "a")
    found = the_finding("clock")
    assert found["subject"] == "the newest entry of the ledger"
    assert "timedatectl" in found["fix"]


def test_a_release_document_that_was_cut(home):
    document = root(home) / "log/00000001.json"
    document.write_bytes(document.read_bytes()[:100])
    found = the_finding("release_log")
    assert found["subject"] == f"release 1 of {PIPELINE}"
    assert "00000001.json" in found["fix"]


def test_a_release_document_that_was_changed_after_it_was_signed(home):
    document = root(home) / "log/00000001.json"
    document.write_text(document.read_text().replace('"test"', '"mallory"'))
    assert "signature" in the_finding("release_log")["found"]


def test_a_generation_that_is_missing(home):
    log = root(home) / "log"
    (log / "00000001.json").rename(log / "00000002.json")
    code, found = examine()
    assert code == 1
    assert any(each["subject"] == f"release 1 of {PIPELINE}" and "missing" in each["found"] for each in found)


def test_a_file_of_the_champion_with_another_byte(home):
    champion = ReleaseLog(root(home)).current().champion
    file = ModelStore(root(home)).path(champion.digest) / "model.skops"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    found = the_finding("models")
    assert found["subject"] == f"champion 0.1.0 of {PIPELINE}"
    assert "model.skops" in found["found"]


def test_processes_of_a_stack_that_was_killed(home):
    write_processes(home, Processes(mark="left-behind", pipeline=PIPELINE))
    (home / ADDRESSES_FILE).write_text("{}")
    orphan = subprocess.Popen(SLEEP, env={**os.environ, MARK_VARIABLE: "left-behind"}, start_new_session=True)
    try:
        code, found = examine()
    finally:
        orphan.kill()
        orphan.wait()
    assert code == 1
    addresses, processes = found
    assert (addresses["check"], processes["check"]) == ("leftovers", "leftovers")
    assert str(orphan.pid) in processes["found"]
    assert processes["fix"].endswith(f"`kill -9 {orphan.pid}`")


def test_a_file_of_processes_that_is_none(home):
    (home / "processes.json").write_text("[]")
    assert the_finding("leftovers")["fix"] == f"rm {home / 'processes.json'}"


def test_a_pipeline_that_is_paused(home):
    settings = Settings()
    with Ledger(settings.ledger_dsn) as ledger:
        pause_pipeline(settings, ledger, PIPELINE, by="ann", reason="a migration")
    found = the_finding("pauses")
    assert "paused by ann" in found["found"]
    assert found["fix"] == f"autopilot resume {PIPELINE}"


def test_an_alert_that_no_route_accepted(home):
    message = Message(
        "key", {"at": "2026-01-01T00:00:00+00:00"}, "needs a person", "body", {"file": True, "pager": False}
    )
    Outbox(home / "outbox").send(message, lambda route, _: route == "file")
    assert "needs a person" in the_finding("alerts")["found"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ALTER TABLE attempts DROP COLUMN boot_id", "attempts.boot_id"),
        ("UPDATE ledger_revision SET version_num = '0001'", "revision 0001"),
        ("UPDATE ledger_revision SET version_num = '9001'", "revision 9001 of a newer version"),
        ("DROP TABLE ledger_revision", "before revisions"),
    ],
)
def test_a_ledger_of_another_version(home, change, found):
    with sqlite3.connect(home / "ledger.db") as ledger:
        ledger.execute(change)
    ledger.close()
    assert found in the_finding("ledger_schema")["found"]


def test_a_setting_that_is_wrong(home, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_HEAL_HOLD_SECONDS", "soon")
    assert "AUTOPILOT_HEAL_HOLD_SECONDS" in the_finding("settings")["found"]


def test_a_pipelines_directory_without_a_pipeline(home, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(home.parent / "none"))
    assert the_finding("configuration")["fix"].startswith("autopilot init")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql+pg8000://someone:secret@127.0.0.1:9/ledger", "127.0.0.1"),
        ("no url with secret", "no SQLAlchemy URL"),
        ("nosuch://someone:secret@127.0.0.1/ledger", "no driver for nosuch"),
    ],
)
def test_a_ledger_server_that_cannot_be_reached(home, monkeypatch, url, found):
    monkeypatch.setenv("AUTOPILOT_LEDGER_URL", url)
    finding = the_finding("databases")
    assert found in f"{finding['subject']} {finding['found']}"
    assert "AUTOPILOT_LEDGER_URL" in finding["fix"]
    assert "secret" not in json.dumps(finding)


def test_a_home_below_a_file(home, tmp_path):
    (tmp_path / "file").write_text("")
    code, found = examine("--home", str(tmp_path / "file" / "home"))
    assert code == 1
    assert found[0]["check"] == "permissions"
    assert "found a file" in found[0]["found"]
    assert not any("defect" in each["fix"] for each in found)
