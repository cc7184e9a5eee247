import json
import os
import sqlite3
from contextlib import closing

import psutil
import pytest
import yaml

from chaos.experiment_files import find
from chaos.lab import Lab
from chaos.staging.refusals import planned, refusals
from chaos.staging.target import TARGET_VARIABLE

ALL = "allow: {drills: ['*'], faults: [ablation]}\n"
REMOTE = """
pipeline: flights
gateway: http://gateway.example:8080
operate: http://gateway.example:8081
prefect: http://prefect.example/api
proxy: http://toxiproxy.example:8474
release_root: s3://bucket/flights
"""


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """The reasons against a drill at a target with this text and a ledger that can be read."""
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        database.execute("CREATE TABLE journal (id INTEGER)")

    def reasons(text, name, ablate=None):
        (tmp_path / "staging.yaml").write_text(f"ledger: 'sqlite:///{tmp_path / 'ledger.db'}'\n{text}")
        monkeypatch.setenv(TARGET_VARIABLE, str(tmp_path / "staging.yaml"))
        lab = Lab.open(tmp_path / "nowhere", "flights", tmp_path)
        return refusals(yaml.safe_load(find(name).text), lab, ablate)

    return reasons


def test_without_allow_every_fault_is_refused_and_a_drill_without_one_is_not(refused):
    assert refused(REMOTE, "noop") == []
    for name in ("partition-healer-gateway", "prefect-pool-paused", "alert-channel-hangs"):
        assert f"'staging' does not allow it: neither the drill {name}" in refused(REMOTE, name)[0]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("partition-healer-gateway", "toxic"),
        ("prefect-pool-paused", "prefect, feed"),
    ],
)
def test_what_works_by_address_runs_on_another_machine(refused, name, kinds):
    feeds = "feed: http://feed.example:1\nmirror: http://feed.example:2\n"
    assert refused(f"{REMOTE}{feeds}allow: {{faults: [{kinds}]}}\n", name) == []
    assert refused(f"{REMOTE}{feeds}allow: {{drills: [{name}]}}\n", name) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gateway-kill", "`signal process=gateway signal=KILL` needs a process of the stack on this machine"),
        ("prefect-hang", "needs a process of the stack on this machine (`home`)"),
        ("worker-crash-loop", "`crash_loop` needs a process of the stack on this machine"),
        ("log-disk-full", "needs a process of the stack on this machine"),
        ("model-corruption", "`file change=flip file=champion_model` needs the release root as a directory"),
        ("release-root-away", "needs the release root as a directory on this machine"),
        ("candidate-nan", "needs the release signing key on this machine (`keys`)"),
        ("source-outage", "needs the mirror of a bundled source (`mirror`)"),
        ("source-file-away", "needs a data file of a source of kind files on this machine"),
        ("source-database-locked", "needs a SQLite database of a source of kind sql"),
    ],
)
def test_what_needs_a_local_process_or_file_is_refused_with_the_fault_and_its_need(refused, name, reason):
    assert any(reason in why for why in refused(REMOTE + ALL, name)), refused(REMOTE + ALL, name)


def test_an_ablation_needs_to_be_allowed_and_the_state_directory(refused):
    directory = "allow: {drills: ['*']}\n"
    [why, *_] = refused(REMOTE.replace("s3://bucket/flights", "/") + directory, "model-corruption", "rollback")
    assert "process of the stack" in why or "release" in why
    assert any(
        "`ablation remedy=rollback` needs the state directory" in each
        for each in refused(REMOTE + directory, "model-corruption", "rollback")
    )


def test_a_home_counts_only_while_its_processes_run_on_this_machine(refused, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "addresses.json").write_text(json.dumps({"gateway": "http://127.0.0.1:1", "operate": "http://127.0.0.1:2"}))
    recorded = {"name": "gateway", "pid": os.getpid(), "started_at": psutil.Process().create_time()}
    (home / "processes.json").write_text(json.dumps({"services": [recorded]}))
    target = f"home: {home}\nrelease_root: {tmp_path}\n{ALL}"
    assert refused(target, "gateway-kill") == []
    (home / "processes.json").write_text(json.dumps({"services": [{**recorded, "started_at": 1.0}]}))
    assert "needs a process of the stack" in refused(target, "gateway-kill")[0]


def test_a_ledger_that_cannot_be_read_is_refused(refused, tmp_path):
    assert refused(REMOTE, "noop") == []
    (tmp_path / "ledger.db").unlink()
    (tmp_path / "ledger.db").write_bytes(b"")
    assert "needs a ledger that can be read" in refused(REMOTE, "noop")[0]


def test_planned_faults_are_those_of_the_experiment():
    faults = planned(yaml.safe_load(find("healer-killed-mid-remedy").text))
    assert [(each.kind, each.later) for each in faults] == [("file", False), ("signal", False), ("signal", True)]
