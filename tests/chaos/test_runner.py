import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from filelock import FileLock

from chaos import experiment_files, experiment_run, leases
from chaos.drill_lock import clear_leftovers, request_stop
from chaos.experiment_files import WrongUsage
from chaos.faults.disabled_remedy import DisabledRemedy
from chaos.lab import StackDown
from chaos.leases import read_all
from chaos.outcome import read_outcomes
from chaos.runner import run_drill
from chaos.verdict import Exit
from tests.chaos.waiting import wait_for

ROOT = Path(__file__).parents[2]


@contextmanager
def standin(home, *options):
    """The stand-in stack, and at the end no process of it."""
    home.mkdir()
    command = [sys.executable, "-m", "tests.chaos.standin", str(home), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield home
        finally:
            family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
            for member in family:
                member.kill()


def drill(name, home, **options):
    return run_drill(name, home, pipeline="flights", **options)


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    """The same experiments with less load and shorter waits: the stand-in needs no minutes."""
    directory = tmp_path / "experiments"
    directory.mkdir()
    for path in experiment_files.EXPERIMENTS.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        drill = content["extensions"][0]["drill"]
        drill["limits"]["requests_min"] = min(20, drill["limits"].get("requests_min", 0))
        drill["limits"]["hold_seconds"] = min(0.5, drill["limits"].get("hold_seconds", 0))
        for step in content["method"]:
            arguments = step["provider"].get("arguments", {})
            shorter = {"requests_max": 200, "seconds_max": 15, "requests": 10, "hold_seconds": 1, "deadline_seconds": 5}
            arguments.update({key: value for key, value in shorter.items() if key in arguments})
        (directory / path.name).write_text(yaml.safe_dump(content))
    monkeypatch.setattr(experiment_files, "EXPERIMENTS", directory)
    return directory


def test_a_rolled_back_champion_is_a_recovery_with_all_its_times(tmp_path):
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("model-corruption", home)
        assert outcome.exit is Exit.RECOVERED, outcome.reason
        assert outcome.requests.degraded > 0
        assert outcome.requests.failed == outcome.requests.wrong == outcome.requests.unverified == 0
        times = outcome.durations
        assert times.mitigate[1] <= times.recover[1]
        assert times.detect[1] > 0  # its lower bound is 0 when the detector was as quick as the probe
        section = json.loads((outcome.directory / "timings.json").read_text())
        assert list(section["timings"]) == ["t0", "t1", "t2", "t3", "t4", "t5"]
        assert None not in section["timings"].values()
        assert not any(lease.outstanding for lease in read_all(outcome.directory / "leases"))


def test_without_a_healer_the_drill_fails_and_the_fault_is_undone(tmp_path):
    with standin(tmp_path / "home") as home:
        outcome = drill("model-corruption", home)
        assert outcome.exit is Exit.NOT_RECOVERED, outcome.reason
        assert outcome.durations.recover is None
        assert outcome.durations.mitigate is not None
        file, *_ = leases = read_all(outcome.directory / "leases")
        assert not any(lease.outstanding for lease in leases)
        assert not file.fault.active()


def test_with_its_remedy_switched_off_the_drill_fails_and_the_remedy_is_switched_on_again(tmp_path):
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("model-corruption", home, ablate="rollback")
        assert (outcome.exit, outcome.ablated) == (Exit.NOT_RECOVERED, "rollback"), outcome.reason
        leases = read_all(outcome.directory / "ablation")
        assert [lease.fault.remedy for lease in leases] == ["rollback", "republish"]  # the second would do instead
        assert not any(lease.outstanding or lease.fault.active() for lease in leases)


def test_no_fault_and_no_incident_passes(tmp_path):
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("noop", home)
        assert outcome.exit is Exit.RECOVERED, outcome.reason
        assert outcome.requests.good == outcome.requests.total == 200


def test_no_fault_but_an_incident_fails(tmp_path):
    with standin(tmp_path / "home", "--jumpy") as home:
        outcome = drill("noop", home)
        assert outcome.exit is Exit.NOT_RECOVERED
        assert "data_drift" in outcome.reason


def test_a_hanging_source_is_recovered_from_by_the_mirror(tmp_path):
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("source-outage", home)
        assert outcome.exit is Exit.RECOVERED, outcome.reason
        feed = json.loads((home / "processes.json").read_text())["services"][1]
        assert psutil.Process(feed["pid"]).status() != psutil.STATUS_STOPPED


def test_the_unhealable_drill_reports_not_recovered(tmp_path):
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("unhealable", home)
        assert outcome.exit is Exit.NOT_RECOVERED, outcome.reason
        assert "switch_source was tried, and people were notified" in outcome.reason


def test_the_unhealable_drill_has_no_verdict_unless_people_were_notified(tmp_path):
    with standin(tmp_path / "home") as home:
        outcome = drill("unhealable", home)
        assert outcome.exit is Exit.HARNESS_FAILED
        assert "expected people to be notified after 2 attempts" in outcome.reason


def test_no_fault_is_injected_into_a_stack_that_is_not_steady(tmp_path):
    with standin(tmp_path / "home", "--heals") as home:
        feed = json.loads((home / "processes.json").read_text())["services"][2]
        os.kill(feed["pid"], signal.SIGKILL)
        outcome = drill("source-outage", home)
        assert outcome.exit is Exit.NOT_STEADY, outcome.reason
        assert "sources-answer" in outcome.reason
        assert read_all(outcome.directory / "leases") == []


def test_a_fault_without_proof_is_not_a_pass(tmp_path, quick):
    content = yaml.safe_load((quick / "source-outage.yaml").read_text())
    content["method"] = [step for step in content["method"] if step["name"] != "faults-are-active"]
    (quick / "source-outage.yaml").write_text(yaml.safe_dump(content))
    with standin(tmp_path / "home", "--heals") as home:
        assert drill("source-outage", home).exit is Exit.FAULT_NOT_PROVEN


def test_a_step_that_raises_is_a_harness_failure_though_chaos_run_completes(tmp_path, quick):
    content = yaml.safe_load((quick / "source-outage.yaml").read_text())
    content["method"][0]["provider"]["arguments"]["arguments"]["process"] = "nobody"
    (quick / "source-outage.yaml").write_text(yaml.safe_dump(content))
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("source-outage", home)
        assert outcome.exit is Exit.HARNESS_FAILED
        assert "nobody" in outcome.reason
        assert json.loads((outcome.directory / "journal.json").read_text())["status"] == "completed"


def test_an_experiment_that_hangs_is_stopped_and_its_faults_undone(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(experiment_run, "PATIENCE_SECONDS", 10.0)  # on a busy machine it may still be starting
    content = yaml.safe_load((quick / "source-outage.yaml").read_text())
    content["extensions"][0]["drill"]["deadline_seconds"] = 4
    content["method"] = [content["method"][0], {**content["method"][1], "pauses": {"after": 600}}]
    (quick / "source-outage.yaml").write_text(yaml.safe_dump(content))
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("source-outage", home)
        assert outcome.exit is Exit.HARNESS_FAILED
        assert "longer" in outcome.reason
        assert not any(lease.outstanding for lease in read_all(outcome.directory / "leases"))


def test_a_killed_experiment_is_aborted_and_its_fault_undone(tmp_path):
    with standin(tmp_path / "home") as home:
        killer = threading.Thread(target=_kill_experiment_mid_fault, args=(home,))
        killer.start()
        outcome = drill("model-corruption", home)
        killer.join()
        assert outcome.exit is Exit.ABORTED
        assert "SIGKILL" in outcome.reason
        file, *_ = leases = read_all(outcome.directory / "leases")
        assert not any(lease.outstanding for lease in leases)
        assert not file.fault.active()


def _kill_experiment_mid_fault(home):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        for path in home.glob("drills/*/*/leases/*.lease.json"):
            first, *_ = read_all(path.parent)  # a busy machine may see the lease of the second fault at once
            if first.fault.active():
                os.kill(first.holder.pid, signal.SIGKILL)
                return
        time.sleep(0.02)


def test_a_second_drill_on_the_same_stack_is_refused_and_breaks_nothing(tmp_path):
    with standin(tmp_path / "home") as home:
        (home / "drills").mkdir()
        with FileLock(home / "drills" / "lock"), pytest.raises(WrongUsage, match="another drill runs"):
            drill("noop", home)
        assert [each.name for each in (home / "drills").iterdir()] == ["lock"]


def test_a_drill_refuses_to_start_on_a_fault_that_an_earlier_one_left_until_it_is_cleared(tmp_path):
    with standin(tmp_path / "home") as home:
        fault = DisabledRemedy(home=home, remedy="rollback", seconds_max=600)
        leases.take(home / "drills" / "model-corruption" / "one" / "ablation", fault, ttl_seconds=600)
        with pytest.raises(WrongUsage, match=r"remedy rollback disabled \(drill model-corruption\).*drill clear"):
            drill("noop", home)
        assert clear_leftovers(home) == ["remedy rollback disabled (drill model-corruption)"]
        assert drill("noop", home).exit is Exit.RECOVERED


def test_a_running_drill_can_be_stopped_and_undoes_its_faults(tmp_path):
    with standin(tmp_path / "home") as home:
        with pytest.raises(WrongUsage, match="no drill runs"):
            request_stop(home)
        stopper = threading.Thread(target=_stop_mid_fault, args=(home,))
        stopper.start()
        outcome = drill("model-corruption", home)
        stopper.join()
        assert outcome.exit is Exit.ABORTED
        assert "drill stop" in outcome.reason
        assert not any(lease.outstanding for lease in read_all(outcome.directory / "leases"))
        assert not (home / "drills" / "stop").exists()


def _stop_mid_fault(home):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not list(home.glob("drills/*/*/leases/*.lease.json")):
        time.sleep(0.02)
    request_stop(home)


def test_an_unknown_drill_lists_the_known_ones(tmp_path):
    with pytest.raises(WrongUsage, match=r"model-corruption, .*noop, .*prefect-hang, .*unhealable"):
        drill("nope", tmp_path)


def test_an_unknown_ablation_lists_the_known_ones(tmp_path):
    with pytest.raises(WrongUsage, match="rollback"):
        drill("model-corruption", tmp_path, ablate="prayer")


def test_a_drill_of_the_bundled_source_names_what_a_pipeline_without_one_lacks(tmp_path):
    with standin(tmp_path / "home") as home:
        addresses = json.loads((home / "addresses.json").read_text())
        bare = {name: url for name, url in addresses.items() if name not in ("feed", "mirror")}
        (home / "addresses.json").write_text(json.dumps(bare))
        with pytest.raises(WrongUsage, match=r"source-outage cannot run: .*`feed`.*`mirror`"):
            drill("source-outage", home)
        assert drill("noop", home).exit is Exit.RECOVERED
        assert [path.parent.name for path in home.glob("drills/*/*")] == ["noop"]


def test_another_pipeline_than_the_stack_serves_is_refused(tmp_path):
    with standin(tmp_path / "home") as home:
        processes = json.loads((home / "processes.json").read_text())
        (home / "processes.json").write_text(json.dumps({**processes, "pipeline": "orders"}))
        with pytest.raises(WrongUsage, match="serves pipeline 'orders', found --pipeline 'flights'"):
            drill("noop", home)


def test_a_stack_without_a_ledger_file_is_refused(tmp_path):
    with standin(tmp_path / "home") as home:
        (home / "ledger.db").unlink()
        with pytest.raises(WrongUsage, match="autopilot bootstrap"):
            drill("noop", home)


def test_without_a_stack_nothing_is_written(tmp_path):
    with pytest.raises(StackDown, match="autopilot up"):
        drill("noop", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["experiments"]


def test_a_drill_that_was_killed_is_on_record_and_its_fault_is_undone(tmp_path):
    with standin(tmp_path / "home") as home:
        command = [sys.executable, "-m", "cli", "drill", "run", "model-corruption", "--home", str(home)]
        process = subprocess.Popen([*command, "--pipeline", "flights"], cwd=ROOT, start_new_session=True)
        [lease] = wait_for(lambda: _active_file(home), "the model's file is changed", 60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        os.kill(lease.holder.pid, signal.SIGKILL)  # the experiment, which would undo it
        wait_for(lambda: not lease.fault.active(), "the reaper has undone the fault", 60)
        [outcome] = read_outcomes(home)
        assert (outcome.name, outcome.exit) == ("model-corruption", Exit.ABORTED)
        assert "it was killed" in outcome.reason


def _active_file(home):
    return [
        lease
        for path in home.glob("drills/*/*/leases")
        for lease in read_all(path)
        if lease.fault.kind == "changed_file" and lease.fault.active()
    ]


def test_a_drill_is_aborted_when_too_many_requests_fail(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(experiment_run, "REQUESTS_MAX", 5)
    content = yaml.safe_load((quick / "model-corruption.yaml").read_text())
    [stop] = [step for step in content["method"] if step["name"] == "inject-fault-1"]
    stop["provider"]["arguments"].update(kind="signal", arguments={"process": "gateway", "signal": "STOP"})
    (quick / "model-corruption.yaml").write_text(yaml.safe_dump(content))
    with standin(tmp_path / "home", "--heals") as home:
        outcome = drill("model-corruption", home)
        assert outcome.exit is Exit.ABORTED, outcome.reason
        assert "the error budget is spent" in outcome.reason
        assert not any(lease.outstanding for lease in read_all(outcome.directory / "leases"))
