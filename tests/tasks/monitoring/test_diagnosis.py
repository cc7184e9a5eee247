"""The diagnosis over all combinations of outcomes, and its intended cases in a table."""

from itertools import product

import pytest

from healing.incident import Cause
from healing.verdict import Outcome, Verdict
from tasks.monitoring.diagnosis import Diagnosis, diagnose
from tasks.monitoring.diagnosis import TopicVerdicts as Found
from tasks.monitoring.persistence import Persistence

TWO_OF_THREE = Persistence(2, 3)
PASS, FAIL, UNSURE = (Verdict("some", outcome, "because", 1000, statistic=0.1) for outcome in Outcome)
UNLABELLED = Verdict("quality", Outcome.INCONCLUSIVE, "no labels", 0)

HISTORIES = ((), (PASS,), (UNSURE,), (FAIL,), (FAIL, FAIL))  # newest first
QUALITIES = (*HISTORIES, (UNLABELLED,))
NOW = ((), (PASS,), (UNSURE,), (FAIL,), (PASS, FAIL))
EVERY_COMBINATION = [
    Found(*found, new_champion=new)
    for found in product(HISTORIES, HISTORIES, QUALITIES, HISTORIES, NOW, NOW, HISTORIES[:4])
    for new in (False, True)
]


@pytest.fixture(scope="module")
def conclusions():
    return [(found, diagnose(found, TWO_OF_THREE)) for found in EVERY_COMBINATION]


def test_the_diagnosis_nothing_requires_all_checks_to_pass(conclusions):
    nothing = [found for found, concluded in conclusions if concluded.diagnosis is Diagnosis.NOTHING]
    assert nothing
    for found in nothing:
        assert found.features == found.predictions == found.quality == (PASS,)
        for others in (found.data, found.serving, found.promotion):
            assert all(verdict.passed for verdict in others)


def test_action_requires_a_check_that_fails_now(conclusions):
    acting = {concluded.diagnosis for _, concluded in conclusions if concluded.cause is not None}
    assert acting == {
        Diagnosis.CONCEPT_SHIFT,
        Diagnosis.COVARIATE_SHIFT,
        Diagnosis.BAD_DATA,
        Diagnosis.BAD_DEPLOYMENT,
    }
    for _, concluded in conclusions:
        assert concluded.cause is None or (concluded.ground is not None and concluded.ground.failed)


def test_labels_outrank_drift_and_estimates(conclusions):
    for found, concluded in conclusions:
        if found.quality == (PASS,):
            assert concluded.cause not in (Cause.DATA_DRIFT, Cause.QUALITY_DROP)


def test_an_estimate_alone_never_acts(conclusions):
    for found, concluded in conclusions:
        if not found.moved and found.quality != (FAIL, FAIL):
            assert concluded.cause in (None, Cause.BAD_CANDIDATE)


def test_bad_data_never_lead_to_a_retrain(conclusions):
    for found, concluded in conclusions:
        if any(verdict.failed for verdict in found.data):
            assert concluded.cause in (None, Cause.UNKNOWN, Cause.BAD_CANDIDATE)


@pytest.mark.parametrize(
    ("found", "expected", "cause"),
    [
        (Found((PASS,), (PASS,), (PASS,)), Diagnosis.NOTHING, None),
        (Found((PASS,), (PASS,), (PASS,), estimate=(UNSURE,)), Diagnosis.NOTHING, None),  # labels supersede it
        (Found((PASS,), (PASS,), (UNSURE,)), Diagnosis.INCONCLUSIVE, None),
        (Found((UNSURE,), (PASS,), (PASS,)), Diagnosis.INCONCLUSIVE, None),
        (Found((FAIL,) * 3, (FAIL,) * 3, (PASS,)), Diagnosis.SEASONAL, None),
        (Found((FAIL,), (PASS,), (UNSURE,)), Diagnosis.INCONCLUSIVE, None),  # it may cost quality
        (Found((PASS,), (PASS,), (FAIL, FAIL)), Diagnosis.CONCEPT_SHIFT, Cause.QUALITY_DROP),
        (Found((FAIL,), (FAIL,), (FAIL, PASS, FAIL)), Diagnosis.CONCEPT_SHIFT, Cause.QUALITY_DROP),
        (
            Found((FAIL,), (FAIL,), (FAIL, PASS, PASS)),
            Diagnosis.INCONCLUSIVE,
            None,
        ),  # one bad window does not persist
        (Found((FAIL, FAIL), (FAIL, FAIL), (UNLABELLED,)), Diagnosis.COVARIATE_SHIFT, Cause.DATA_DRIFT),
        (
            Found((FAIL, FAIL), (PASS, PASS), (UNLABELLED,), estimate=(FAIL, FAIL)),
            Diagnosis.COVARIATE_SHIFT,
            Cause.DATA_DRIFT,
        ),
        (Found((FAIL, FAIL), (FAIL, FAIL), (UNLABELLED,), estimate=(PASS,)), Diagnosis.COVARIATE_SHIFT, None),
        (Found((FAIL, FAIL), (PASS, PASS), (UNLABELLED,), estimate=(FAIL,)), Diagnosis.INCONCLUSIVE, None),
        (Found((FAIL, FAIL), (PASS, PASS), (UNLABELLED,)), Diagnosis.INCONCLUSIVE, None),
        (Found((FAIL, PASS), (FAIL, PASS), (UNLABELLED,)), Diagnosis.INCONCLUSIVE, None),
        (Found((PASS,), (PASS,), (UNLABELLED,)), Diagnosis.INCONCLUSIVE, None),  # no evidence
        (Found(), Diagnosis.INCONCLUSIVE, None),
        (Found((FAIL, FAIL), (FAIL, FAIL), (PASS,), data=(FAIL,)), Diagnosis.BAD_DATA, None),
        (Found((FAIL, FAIL), (FAIL, FAIL), (FAIL, FAIL), data=(PASS, FAIL)), Diagnosis.BAD_DATA, Cause.UNKNOWN),
        (Found((PASS,), (PASS,), (PASS,), promotion=(FAIL,)), Diagnosis.BAD_DEPLOYMENT, Cause.BAD_CANDIDATE),
        (
            Found((FAIL,), (FAIL,), (FAIL, FAIL), data=(FAIL,), promotion=(FAIL,)),  # both had these data
            Diagnosis.BAD_DEPLOYMENT,
            Cause.BAD_CANDIDATE,
        ),
        (Found((PASS,), (FAIL, FAIL), (UNLABELLED,), new_champion=True), Diagnosis.BAD_DEPLOYMENT, None),
        (Found((PASS,), (FAIL, FAIL), (UNLABELLED,)), Diagnosis.INCONCLUSIVE, None),
        (Found((PASS,), (PASS,), (PASS,), serving=(PASS, FAIL)), Diagnosis.INFRASTRUCTURE, None),
        (
            Found((FAIL,), (FAIL,), (PASS,), serving=(FAIL,)),
            Diagnosis.INFRASTRUCTURE,
            None,
        ),  # labels show no quality drop
        (
            Found((FAIL,), (PASS,), (UNLABELLED,), serving=(FAIL,)),
            Diagnosis.INCONCLUSIVE,
            None,
        ),  # the inputs may be the reason
        (Found((PASS,), (PASS,), (UNLABELLED,), serving=(FAIL,)), Diagnosis.INFRASTRUCTURE, None),
        (Found((PASS,), (PASS,), (PASS,), serving=(UNSURE,)), Diagnosis.INCONCLUSIVE, None),
    ],
)
def test_cases(found, expected, cause):
    concluded = diagnose(found, TWO_OF_THREE)
    assert (concluded.diagnosis, concluded.cause) == (expected, cause)
