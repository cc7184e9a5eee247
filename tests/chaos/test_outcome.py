from datetime import UTC, datetime

from chaos.outcome import outcome_of, read_outcomes, store
from chaos.spec import DrillSpec
from chaos.verdict import Counts, DrillFindings, Durations, Exit, Judgement, OpenedIncident

SPEC = DrillSpec.model_validate(
    {
        "name": "model-corruption",
        "indicator": "requests",
        "deadline_seconds": 60,
        "causes": ["model_corrupt"],
        "limits": {"recovery_seconds": 30},
    }
)
FINDINGS = DrillFindings(
    spec=SPEC,
    timings={"t0": (99.0, 100.0), "t1": (100.0, 100.5), "t5": None},
    durations=Durations(),
    requests=Counts(total=7),
    latency_seconds={},
    incidents=(OpenedIncident(cause="model_corrupt", subject="x"),),
    remedies=("rollback",),
    unproven=(),
    outstanding_leases=0,
)


def outcome(judgement, directory):
    return outcome_of(SPEC, "flights", datetime(2026, 1, 1, tzinfo=UTC), None, judgement, directory)


def test_times_count_from_the_proven_fault(tmp_path):
    found = outcome(Judgement(Exit.RECOVERED, "good", FINDINGS), tmp_path)
    assert found.timings == {"t0": (-1.0, 0.0), "t1": (0.0, 0.5), "t5": None}
    assert (found.causes, found.expected_causes, found.remedies) == (
        ("model_corrupt",),
        ("model_corrupt",),
        ("rollback",),
    )
    assert "cores" in found.machine
    assert found.revision


def test_a_trial_that_was_killed_is_on_record_as_aborted(tmp_path):
    directory = tmp_path / "drills" / "model-corruption" / "one"
    directory.mkdir(parents=True)
    store(outcome(None, directory))
    [found] = read_outcomes(tmp_path)
    assert found.exit is Exit.ABORTED
    assert "was killed" in found.reason
    store(outcome(Judgement(Exit.RECOVERED, "good", FINDINGS), directory))
    [found] = read_outcomes(tmp_path)
    assert found.exit is Exit.RECOVERED
