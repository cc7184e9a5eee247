"""A misspelt name is a usage error that suggests the name that was meant, and shells complete names."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import Cause
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tests.flows.durability.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(World(tmp_path).build().pipelines))
    return tmp_path / "home"


def refusal(*words):
    """What the command says before it exits with 2."""
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, UsageError):
        return str(result.exception)
    assert result.exit_code == 2, result.output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.stderr)  # a CI machine may ask for colours
    return " ".join(plain.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("statsu",), "Did you mean 'status'?"),
        (("incident", "lst"), "Did you mean 'list'?"),
        (("release", "strat", "small", "0" * 64), "Did you mean 'start', 'status'?"),
        (("status", "smal"), "did you mean 'small'?"),
        (("doctor", "smal"), "did you mean 'small'?"),
        (("drill", "run", "wroker-crash"), "did you mean 'worker-crash'"),
        (("status", "--jsno"), "--json"),
    ],
)
def test_the_name_that_was_meant_is_suggested(words, meant):
    assert meant in refusal(*words)


def test_the_incident_and_the_remedy_that_were_meant_are_suggested(home):
    with Ledger(Settings().ledger_dsn) as ledger:
        evidence = Evidence("small", Cause.MODEL_SLOW, "a", "gateway", datetime.now(UTC), "it was slow")
        known = ledger.record_evidence(evidence).id
    misspelt = f"{known[:7]}{'0' if known[7] != '0' else '1'}"
    assert f"did you mean {known[:8]!r}?" in refusal("incident", "show", "small", misspelt)
    words = ("incident", "approve", "small", known, "--by", "ann", "--remedy", "rolback")
    assert "did you mean 'rollback'?" in refusal(*words)


def test_a_digest_that_is_none_is_refused_before_anything_starts(home):
    assert "64 hexadecimal digits, found '123'" in refusal("release", "small", "123")
    assert not home.exists()


@pytest.mark.parametrize(
    ("line", "offered"),
    [("autopilot stat", ["status"]), ("autopilot drill run unh", ["unhealable"]), ("autopilot heal sm", ["small"])],
)
def test_a_shell_completes_commands_drills_and_pipelines(line, offered):
    asked = {"_AUTOPILOT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    script = "from cli.main import app; app(prog_name='autopilot')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == offered, done.stderr
