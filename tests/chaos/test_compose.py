import pytest
import yaml

from chaos.compose.drill import CATALOGUE, WrongEntry, read_catalogue, read_drill
from chaos.compose.experiment import experiment_of, to_yaml
from chaos.experiment_files import EXPERIMENTS
from chaos.faults.kinds import known_kinds
from chaos.spec import spec_of

FAULT = {"kind": "signal", "arguments": {"process": "leader", "signal": "KILL"}}
ENTRY = yaml.safe_load((CATALOGUE / "model-corruption.yaml").read_bytes())


def entry(folder, **changes):
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in {**ENTRY, **changes}.items() if value is not None}))
    return path


def test_the_committed_experiments_are_the_rendered_ones():
    rendered = {f"{drill.name}.yaml": to_yaml(drill) for drill in read_catalogue()}
    assert {path.name: path.read_text() for path in EXPERIMENTS.glob("*.yaml")} == rendered


@pytest.mark.parametrize("drill", read_catalogue(), ids=lambda drill: drill.name)
def test_an_experiment_is_valid_for_chaos_toolkit(drill):
    from chaoslib.experiment import ensure_experiment_is_valid

    ensure_experiment_is_valid(experiment_of(drill))
    assert spec_of(experiment_of(drill)).limits == drill.limits


@pytest.mark.parametrize("drill", read_catalogue(), ids=lambda drill: drill.name)
def test_the_deadline_of_a_drill_is_longer_than_its_wait_for_recovery(drill):
    assert drill.deadline_seconds > drill.restored_seconds_max or not drill.faults
    assert drill.fault_seconds_max >= drill.restored_seconds_max or not drill.faults


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"faults": [{"kind": "meteor"}]},
            r"expected a kind among absent_batch, alert, candidate, .*, signal, toxic, found 'meteor'",
        ),
        ({"load": None}, "expected `load`"),
        ({"indicator": "batch"}, "expected `due_day`"),
        ({"ablations": ["retrain"]}, "expected ablations among the remedies"),
        ({"reflex": True}, "expected no `remedies`"),
        ({"requests_during_fault": 100, "faults": []}, "expected faults and the indicator requests"),
        ({"unaffected": True}, "expected `requests_during_fault`"),
        ({"quiet": True}, "expected `unaffected`, no `causes` and no `remedies`"),
        ({"forbidden_remedies": ["rollback"]}, "both expected and forbidden"),
        ({"faults": [{**FAULT, "when": "attempt_started"}, FAULT]}, "faults without `when` first"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_file_and_its_fault(tmp_path, changes, message):
    with pytest.raises(WrongEntry, match=message) as error:
        read_drill(entry(tmp_path, **changes))
    assert "one.yaml" in str(error.value)


def test_every_drill_and_every_kind_of_fault_is_documented():
    page = (CATALOGUE.parents[1] / "docs" / "drills.md").read_text()
    assert [drill.name for drill in read_catalogue() if f"| `{drill.name}` |" not in page] == []
    assert [kind for kind in known_kinds() if f"| `{kind}` |" not in page] == []


def test_a_fault_within_an_ingest_run_waits_for_its_step_and_is_the_fault_that_the_drill_recovers_from():
    drill = next(each for each in read_catalogue() if each.name == "ingest-killed")
    steps = {step["name"]: step for step in experiment_of(drill)["method"]}
    order = ["advance-clock", "ingest-undisturbed", "request-ingest", "attempt-has-started", "inject-fault-1"]
    assert list(steps) == [*order, "faults-of-the-run-are-active", "due-batch-is-in", "end-the-faults"]
    assert steps["attempt-has-started"]["provider"]["arguments"]["kind"] == "batch.recorded"
    assert "later" not in steps["inject-fault-1"]["provider"]["arguments"]
    assert steps["due-batch-is-in"]["provider"]["arguments"]["by_any_run"]


def test_a_fault_of_a_source_lasts_until_a_remedy_has_started_however_long_the_ingest_takes_to_start():
    drill = next(each for each in read_catalogue() if each.name == "source-file-torn")
    steps = [step["name"] for step in experiment_of(drill)["method"]]
    assert steps.index("request-ingest") < steps.index("attempt-has-started") < steps.index("end-the-faults")
    paused = next(each for each in read_catalogue() if each.name == "prefect-pool-paused")
    assert "attempt-has-started" not in {step["name"] for step in experiment_of(paused)["method"]}


def steps_of(name):
    [drill] = [each for each in read_catalogue() if each.name == name]
    return [step["name"] for step in experiment_of(drill)["method"]]


def test_a_flow_is_disturbed_under_load_once_it_has_reached_its_step_and_is_then_watched_to_its_end():
    expected = ["ingest-next-day", "collect-reference-answers", "send-load", "request-flow"]
    expected += ["flow-has-reached-its-step", "inject-fault-1", "faults-are-active", "flow-is-done", "stop-load"]
    assert steps_of("retrain-killed") == expected


def test_a_release_beside_a_batch_ends_after_the_batch_is_in():
    steps = steps_of("source-hang-during-trial")
    assert steps.index("flow-has-reached-its-step") < steps.index("inject-fault-1") < steps.index("request-ingest")
    assert steps[-4:] == ["due-batch-is-in", "end-the-faults", "flow-is-done", "stop-load"]


def test_a_flow_without_a_step_to_reach_starts_among_its_faults_which_end_once_it_has_failed():
    steps = steps_of("retrain-registry-errors")
    assert steps.index("faults-are-active") < steps.index("request-flow") < steps.index("flow-has-ended")
    assert steps[-4:] == ["flow-has-ended", "end-the-faults", "flow-is-done", "stop-load"]
