import pytest

from chaos.diagnosis import diagnosis_score, mean_score
from chaos.verdict import Exit
from tests.chaos.outcomes import trial


@pytest.mark.parametrize(
    ("found", "expected", "further", "score"),
    [
        (["model_corrupt"], ["model_corrupt"], [], 1.0),
        (["model_failing"], ["model_corrupt", "model_failing"], [], 1.0),
        (["model_corrupt", "data_drift"], ["model_corrupt"], [], 0.5),
        (["model_corrupt", "store_unavailable"], ["model_corrupt"], ["store_unavailable"], 1.0),
        (["data_drift"], ["model_corrupt"], [], 0.0),
        (["store_unavailable"], ["model_corrupt"], ["store_unavailable"], 0.0),
        ([], ["model_corrupt"], [], 0.0),
    ],
)
def test_a_missed_cause_scores_nothing_and_wrong_ones_lower_the_score(found, expected, further, score):
    assert diagnosis_score(found, expected, further) == score


def test_only_proper_trials_with_an_expected_cause_are_scored():
    found = {"causes": ("model_corrupt",), "expected_causes": ("model_corrupt",)}
    missed = {"expected_causes": ("model_corrupt",)}
    trials = [trial(**found), trial(Exit.NOT_RECOVERED, **missed), trial(), trial(ablated="rollback", **missed)]
    assert mean_score(trials) == 0.5
    assert mean_score([trial(), trial(fault=False)]) is None
