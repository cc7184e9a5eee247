import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from chaos.outcome import OUTCOME_FILE, DrillOutcome
from chaos.verdict import Durations, Exit
from cli.drill import app


@pytest.fixture
def command():
    return CliRunner()


def store(home, code, seconds):
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
    assert "1/2 recovered" in result.stdout
    assert "max never" in result.stdout
    [summary] = json.loads(command.invoke(app, ["report", "--home", str(tmp_path), "--json"]).stdout)
    assert (summary["recovered"], summary["trials"], summary["mean_recover_seconds"]) == (1, 2, 12.0)
