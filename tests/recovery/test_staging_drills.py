"""The small stack, known to the drill through a target file only, from another working directory and another home."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from chaos.verdict import Exit
from tests.e2e.running_stack import ROOT
from tests.published import PIPELINE
from tests.recovery.serving_lab import serving_lab

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]
ALLOWED = ["noop", "candidate-nan", "slow-link-healer-gateway"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with serving_lab(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def drill(lab, tmp_path):
    """Runs a drill by a target file with addresses, and no state directory; its exit code, outcome and errors."""
    addresses = json.loads((lab.home / "addresses.json").read_text())
    target = {
        "pipeline": PIPELINE,
        **{name: addresses[name] for name in ("gateway", "operate", "proxy")},
        "ledger": f"sqlite:///{lab.home / 'ledger.db'}",
        "release_root": str(lab.root),
        "keys": str(lab.home / "keys"),
        "allow": {"drills": ALLOWED},
    }
    (tmp_path / "staging.yaml").write_text(yaml.safe_dump(target))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPILOT_")}

    def run(name):
        command = ("drill", "run", name, "--home", "records", "--target", "staging.yaml", "--json")
        done = subprocess.run(
            [sys.executable, "-m", "cli", *command],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=360,
            check=False,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    return run


@pytest.mark.parametrize("name", ALLOWED)
def test_what_works_by_address_recovers(lab, drill, tmp_path, name):
    lab.renew()
    code, outcome, errors = drill(name)
    assert code == Exit.RECOVERED, outcome["reason"] if outcome else errors
    assert outcome["target"] == "staging"
    assert outcome["requests"]["failed"] == outcome["requests"]["wrong"] == 0
    assert [each.name for each in (tmp_path / "records" / "drills").iterdir() if each.is_dir()] == [name]


def test_what_needs_a_local_process_is_refused(drill):
    code, outcome, errors = drill("worker-crash")
    assert (code, outcome) == (Exit.USAGE, None)
    assert "neither the drill worker-crash nor faults of kind signal" in errors
    assert "needs a process of the stack on this machine" in errors
