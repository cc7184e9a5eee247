import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from chaos.compose.drill import read_catalogue
from chaos.compose.experiment import experiment_of
from chaos.compose.pair import pair_of_seed, possible_pairs
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
    assert not any("noop" in pair or "control-good-candidate" in pair for pair in names)
