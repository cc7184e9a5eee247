import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from chaos import gate, runner
from chaos.gate import Baseline, DrillBaseline
from chaos.outcome import OUTCOME_FILE, DrillOutcome, machine_kind
from chaos.verdict import Durations, Exit
from cli.drill import app
from tests.chaos.outcomes import trial


@pytest.fixture
def command():
    return CliRunner()


def store(home, code, seconds, **changes):
    directory = home / "drills" / "noop" / str(seconds)
    directory.mkdir(parents=True)
    outcome = DrillOutcome(
        name="noop",
        pipeline="flights",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        exit=code,
        reason="",
        durations=Durations(recover=(0.0, seconds)),
        directory=directory,
        **changes,
    )
    (directory / OUTCOME_FILE).write_text(outcome.model_dump_json())


def test_an_unknown_drill_is_a_usage_error_that_lists_the_known_ones(command, tmp_path):
    result = command.invoke(app, ["run", "nope", "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "model-corruption, " in result.stderr
    assert "unhealable, " in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_stack_it_says_how_to_start_one_and_changes_nothing(command, tmp_path):
    result = command.invoke(app, ["run", "noop", "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "autopilot up" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_list_names_every_drill(command):
    result = command.invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    assert {"noop", "source-outage", "model-corruption", "unhealable"} <= {e["name"] for e in json.loads(result.stdout)}


def test_the_report_counts_trials_that_did_not_recover(command, tmp_path):
    store(tmp_path, Exit.RECOVERED, 12.0)
    store(tmp_path, Exit.NOT_RECOVERED, 90.0)
    result = command.invoke(app, ["report", "--home", str(tmp_path)])
    assert result.exit_code == 0
    names, noop = result.stdout.splitlines()[:2]
    assert "1/2 recovered" in noop
    assert names.split()[-2:] == ["max", "mean"]
    assert noop.split()[-3:] == ["never", "12.0", "s"]
    [summary] = json.loads(command.invoke(app, ["report", "--home", str(tmp_path), "--json"]).stdout)
    assert (summary["recovered"], summary["trials"], summary["mean_recover_seconds"]) == (1, 2, 12.0)


@pytest.mark.parametrize(
    ("codes", "ran", "code"),
    [([0, 0, 0], 3, 0), ([0, 1, 0], 3, 1), ([1, 3, 0], 2, 3)],
)
def test_of_several_trials_the_highest_code_counts_and_a_failed_harness_ends_them(
    command, tmp_path, monkeypatch, codes, ran, code
):
    ended = iter(codes)
    outcome = lambda *_, **__: trial(Exit(next(ended)), name="noop")  # noqa: E731
    monkeypatch.setattr(runner, "run_drill", outcome)
    words = ["run", "noop", "--pipeline", "flights", "--trials", "3", "--home", str(tmp_path)]
    result = command.invoke(app, words)
    assert result.exit_code == code
    assert result.stdout.count("noop: ") == ran


def test_a_dry_run_prints_the_faults_and_needs_no_stack(command, tmp_path):
    result = command.invoke(app, ["run", "model-corruption", "--dry", "--home", str(tmp_path)])
    assert result.exit_code == 0
    assert "file change=flip file=champion_model, undone after 240 s at most" in result.stdout
    assert "no fault" in command.invoke(app, ["run", "noop", "--dry", "--home", str(tmp_path)]).stdout


@pytest.mark.parametrize("there", [True, False])
def test_nothing_to_stop_is_a_usage_error_and_nothing_to_clear_is_none(command, tmp_path, there):
    if there:
        (tmp_path / "drills").mkdir()
    result = command.invoke(app, ["stop", "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "no drill runs" in result.stderr
    assert "nothing is left" in command.invoke(app, ["clear", "--home", str(tmp_path)]).stdout


def test_the_gate_fails_on_a_regression_and_says_which(command, tmp_path, monkeypatch):
    store(tmp_path, Exit.NOT_RECOVERED, 90.0, machine=machine_kind())
    before = DrillBaseline(trials=20, recovered=20, recover_seconds=(12.0,) * 20)
    baseline = Baseline(machine=machine_kind(), revision="abc", drills={"noop": before})
    monkeypatch.setattr(gate, "find_baseline", lambda: baseline)
    result = command.invoke(app, ["report", "--gate", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "gate: noop: 0/1 recovered, 20/20 before" in result.stderr
    monkeypatch.setattr(gate, "find_baseline", lambda: None)
    result = command.invoke(app, ["report", "--gate", "--home", str(tmp_path)])
    assert result.exit_code == 0
    assert "no baseline for" in result.stderr


def test_the_report_is_written_as_a_page_and_as_a_baseline(command, tmp_path):
    store(tmp_path, Exit.RECOVERED, 12.0, machine=machine_kind())
    page, baseline = tmp_path / "drills.html", tmp_path / "baseline.json"
    words = ["report", "--html", str(page), "--write-baseline", str(baseline), "--home", str(tmp_path)]
    assert command.invoke(app, words).exit_code == 0
    assert "<title>Drills</title>" in page.read_text()
    assert Baseline.model_validate_json(baseline.read_bytes()).drills["noop"].recover_seconds == (12.0,)


def test_the_report_says_over_which_revisions_it_pooled(command, tmp_path):
    store(tmp_path, Exit.RECOVERED, 12.0, revision="abc")
    assert "pooled" not in command.invoke(app, ["report", "--home", str(tmp_path)]).stdout
    store(tmp_path, Exit.RECOVERED, 13.0, revision="def")
    assert "over 2 revisions (" in command.invoke(app, ["report", "--home", str(tmp_path)]).stdout
