import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from chaos.compose.drill import read_catalogue
from chaos.compose.experiment import experiment_of
from chaos.compose.sampled import liveness_of_seed, pair_of_seed, possible_pairs, sampled_drill
from chaos.spec import spec_of

CATALOGUE = read_catalogue()


def test_the_same_seed_gives_the_same_drill_and_others_give_others():
    assert pair_of_seed(7, CATALOGUE) == pair_of_seed(7, CATALOGUE)
    assert len({pair_of_seed(seed, CATALOGUE).title for seed in range(40)}) > 20


@pytest.mark.parametrize("seed", range(25))
def test_a_pair_is_a_valid_experiment_with_the_faults_of_both(seed):
    drill = pair_of_seed(seed, CATALOGUE)
    ensure_experiment_is_valid(experiment_of(drill))
    assert len(drill.faults) >= 2
    assert len(set(map(repr, drill.faults))) == len(drill.faults)
    spec = spec_of(experiment_of(drill))
    assert spec.limits.failed_max == spec.limits.wrong_max == 0
    assert spec.unaffected is not spec.reflex


def test_no_pair_has_two_trials_or_two_changes_of_files_or_no_harm():
    names = {frozenset((one.name, other.name)) for one, other in possible_pairs(CATALOGUE)}
    assert len(names) > 50
    assert frozenset(("ledger-locked", "model-corruption")) in names
    assert frozenset(("candidate-nan", "candidate-raising")) not in names
    assert frozenset(("model-corruption", "model-truncated")) not in names
    assert frozenset(("model-truncated", "release-root-away")) not in names
    assert frozenset(("worker-crash", "worker-hang")) not in names
    assert frozenset(("worker-crash", "candidate-nan")) in names
    assert not any("noop" in pair or "control-good-candidate" in pair for pair in names)


@pytest.mark.parametrize("seed", range(25))
def test_each_fault_of_a_sampled_drill_is_proven_before_the_next_one_is_injected(seed):
    for drill in (pair_of_seed(seed, CATALOGUE), liveness_of_seed(seed, CATALOGUE)):
        names = [step["name"] for step in experiment_of(drill)["method"]]
        first = names.index("inject-fault-1")
        numbers = range(1, len(drill.faults) + 1)
        expected = [name for number in numbers for name in (f"inject-fault-{number}", f"fault-{number}-is-active")]
        assert names[first : first + len(expected)] == expected
        assert spec_of(experiment_of(drill)).proven_in_turn


@pytest.mark.parametrize("seed", range(25))
def test_a_liveness_drill_breaks_much_ends_it_and_forbids_wrong_answers_only(seed):
    drill = liveness_of_seed(seed, CATALOGUE)
    assert drill == liveness_of_seed(seed, CATALOGUE)
    ensure_experiment_is_valid(experiment_of(drill))
    assert len(drill.faults) >= 4
    steps = [step["name"] for step in experiment_of(drill)["method"]]
    assert steps.index("end-the-faults") < steps.index("service-is-restored")
    spec = spec_of(experiment_of(drill))
    assert spec.limits.wrong_max == 0
    assert spec.limits.failed_max > 0
    assert spec.reflex


def test_a_part_of_a_sampled_drill_has_only_the_named_faults():
    whole, part = sampled_drill("liveness-3", CATALOGUE), sampled_drill("liveness-3:1+3", CATALOGUE)
    assert part.faults == (whole.faults[0], whole.faults[2])
    assert part.name == "liveness-3:1+3"
    assert sampled_drill("noop", CATALOGUE) is None
    with pytest.raises(LookupError, match="expected faults from 1 to"):
        sampled_drill("pair-3:9", CATALOGUE)
