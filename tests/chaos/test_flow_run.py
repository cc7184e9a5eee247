"""An ingest run as a process of its own, where the stack has no Prefect."""

from chaos.actions.advance_clock import DUE_DAY
from chaos.flow_run import EXIT_FILE, LOG_FILE, run_process, run_state, start_run
from chaos.lab import Lab
from chaos.record import remember
from tests.chaos.gateway_double import home_of
from tests.chaos.waiting import wait_for


def test_the_process_of_a_run_is_that_of_the_ingest_and_its_kill_is_a_failure(tmp_path, monkeypatch):
    """The parent only writes the exit code."""
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    directory = tmp_path / "drill"
    directory.mkdir()
    remember(directory, DUE_DAY, "2013-03-01")
    lab = Lab.open(home_of(tmp_path / "home", "http://127.0.0.1:9"), "unknown", directory)
    start_run(lab, "ingest/ingest")
    process = run_process(lab).find()
    assert process is not None
    assert process.cmdline()[-2:] == ["--until", "2013-03-01"]
    process.kill()
    wait_for(lambda: run_state(lab) == "FAILED", "the run has failed")
    assert (directory / EXIT_FILE).read_text() == "-9"


def test_a_run_that_cannot_work_has_failed_and_its_output_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    directory = tmp_path / "drill"
    directory.mkdir()
    remember(directory, DUE_DAY, "2013-03-01")
    lab = Lab.open(home_of(tmp_path / "home", "http://127.0.0.1:9"), "unknown", directory)
    start_run(lab, "ingest/ingest")
    wait_for(lambda: run_state(lab) == "FAILED", "the run has failed")
    assert "unknown" in (directory / LOG_FILE).read_text()
