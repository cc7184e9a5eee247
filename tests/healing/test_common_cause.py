"""A problem that all models share is no reason to restart, roll back or fence one of them."""

import pytest

from healing.common_cause import common_cause
from healing.diagnosis import ProblemSignal
from healing.incident import Cause

CHAMPION, CHALLENGER = "a" * 64, "b" * 64
BOTH = (CHAMPION, CHALLENGER)


def problems(cause, *subjects):
    return [ProblemSignal(cause, subject) for subject in subjects]


def test_one_of_two_models_may_be_bad_itself():
    assert common_cause(Cause.MODEL_FAILING, BOTH, problems(Cause.MODEL_FAILING, CHAMPION)) is None


def test_a_single_model_may_be_bad_itself():
    assert common_cause(Cause.MODEL_FAILING, [CHAMPION], problems(Cause.MODEL_FAILING, CHAMPION)) is None


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.MODEL_FAILING, Cause.RESOURCE_PRESSURE),
        (Cause.MODEL_SLOW, Cause.RESOURCE_PRESSURE),
        (Cause.MODEL_CORRUPT, Cause.STORE_UNAVAILABLE),
    ],
)
def test_a_problem_of_every_model_has_a_common_cause(cause, expected):
    assert common_cause(cause, BOTH, problems(cause, *BOTH)) is expected


@pytest.mark.parametrize("shared", [Cause.RESOURCE_PRESSURE, Cause.DISK_FULL])
def test_a_machine_in_trouble_explains_a_failing_model(shared):
    seen = [*problems(Cause.MODEL_FAILING, CHAMPION), ProblemSignal(shared, "machine")]
    assert common_cause(Cause.MODEL_FAILING, BOTH, seen) is shared


def test_a_machine_in_trouble_does_not_explain_wrong_bytes():
    seen = [*problems(Cause.MODEL_CORRUPT, CHAMPION), ProblemSignal(Cause.RESOURCE_PRESSURE, "machine")]
    assert common_cause(Cause.MODEL_CORRUPT, BOTH, seen) is None


def test_other_causes_are_not_explained_away():
    assert common_cause(Cause.QUALITY_DROP, BOTH, problems(Cause.QUALITY_DROP, *BOTH)) is None
