"""`autopilot doctor` finds nothing in a sound home, changes nothing, and outlives a check that raises or hangs."""

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from importlib import metadata

import pytest
from typer.testing import CliRunner

from cli.doctor.checks import clock
from cli.doctor.checks.environment import package_faults
from cli.doctor.examined import Examined
from cli.doctor.registry import CHECKS
from cli.doctor.run_checks import NamedCheck, run_checks
from cli.doctor.sqlite_file import connect_read_only, quick_check, writer_that_stays
from cli.main import app
from healing.errors import StoreUnavailable, UsageError
from tasks.config.settings import Settings
from tests.cli.doctor.sound_home import PIPELINE, examine


def state_of(folder):
    """Every path with its size and the time of its last change."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def test_a_sound_home_has_no_finding_and_stays_as_it_is(home):
    before = state_of(home)
    assert examine() == (0, [])
    assert state_of(home) == before


def test_a_home_that_does_not_exist_has_no_finding_and_is_not_created(home, tmp_path):
    assert examine("--home", str(tmp_path / "new")) == (0, [])
    assert not (tmp_path / "new").exists()


def test_people_get_a_sentence_and_the_exit_code(home):
    result = CliRunner().invoke(app, ["doctor", "--free-mib", "0"])
    assert result.exit_code == 0
    assert "no finding" in result.stdout


def test_people_get_expected_found_and_fix_of_each_finding(home):
    (home / "processes.json").write_text("[]")
    result = CliRunner().invoke(app, ["doctor", "--free-mib", "0"], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    for word in ("error", "leftovers", "expected", "found", f"rm {home / 'processes.json'}", "1 finding"):
        assert word in result.stdout


def test_an_unknown_pipeline_is_a_usage_error(home):
    with pytest.raises(UsageError, match="unknown pipeline 'smal'"):
        CliRunner().invoke(app, ["doctor", "smal"], catch_exceptions=False)


def examined():
    return Examined.of(Settings(), (PIPELINE,), 0)


def test_a_check_that_raises_is_a_finding_and_the_others_run(home):
    def raise_after_one(_):
        yield from ()
        raise ZeroDivisionError("a defect")

    def refuse(_):
        raise StoreUnavailable("expected a disk, found none")

    ran = []
    checks = [NamedCheck("broken", raise_after_one), NamedCheck("refused", refuse), *CHECKS]
    broken, refused = run_checks(examined(), checks, ran.append)
    assert "ZeroDivisionError" in broken.found
    assert refused.found == "expected a disk, found none"
    assert ran == [check.name for check in checks]


def test_a_check_that_hangs_is_a_finding(home):
    released = threading.Event()

    def hang(_):
        released.wait()
        yield from ()

    [finding] = run_checks(examined(), [NamedCheck("hung", hang)], seconds_max=0.05)
    released.set()
    assert (finding.check, finding.found) == ("hung", "it still waits")


def test_package_faults_name_the_version_and_the_command():
    assert list(package_faults(["numpy>=1", "pandas"], ["no-such-package<1"])) == []
    [older] = package_faults(["numpy<1"], [])
    assert (older.subject, older.found, older.fix) == ("numpy", metadata.version("numpy"), "pip install 'numpy<1'")
    [missing] = package_faults(["no-such-package[fast]>=2"], [])
    assert (missing.found, missing.fix) == ("not installed", "pip install 'no-such-package[fast]>=2'")
    assert list(package_faults(["no-such-package; platform_system == 'Plan 9'"], [])) == []


def test_a_clock_that_is_behind_the_newest_release(home):
    behind = datetime.now(UTC) - timedelta(days=1)
    found = list(
        clock.find(Examined(Settings(), (PIPELINE,), 0, False, False, examined().processes, now=lambda: behind))
    )
    assert {each.subject for each in found} == {f"the newest release of {PIPELINE}", "the newest entry of the ledger"}


def test_a_database_is_read_without_creating_a_file(tmp_path):
    file = tmp_path / "a b?.db"
    writer = sqlite3.connect(file)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (x)")
    writer.close()
    before = state_of(tmp_path)
    connection = connect_read_only(file, 1.0)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()
    assert quick_check(file, 5.0) == ""
    assert state_of(tmp_path) == before


LOCK = """
import signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_the_writer_of_a_database_is_known_by_its_pid(tmp_path, mode):
    file = tmp_path / "a.db"
    with sqlite3.connect(file) as creator:
        creator.execute("CREATE TABLE t (x)")
    creator.close()
    assert writer_that_stays(file, 0.1) is None
    with subprocess.Popen([sys.executable, "-c", LOCK, str(file), mode], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        holder = writer_that_stays(file, 0.1)
        process.kill()
    assert holder == process.pid
    assert writer_that_stays(file, 0.1) is None
