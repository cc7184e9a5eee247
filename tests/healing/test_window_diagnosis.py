"""The diagnosis over every combination of outcomes, and the cases that it is there for, by table."""

from itertools import product

import pytest

from healing.incident import Cause
from healing.persistence import Persistence
from healing.verdict import Outcome, Verdict
from healing.window_diagnosis import Checks, Diagnosis, diagnose

TWO_OF_THREE = Persistence(2, 3)
PASS, FAIL, UNSURE = (Verdict("some", outcome, "because", 1000, statistic=0.1) for outcome in Outcome)
UNLABELLED = Verdict("quality", Outcome.INCONCLUSIVE, "no labels", 0)

HISTORIES = ((), (PASS,), (UNSURE,), (FAIL,), (FAIL, FAIL))  # newest first
QUALITIES = (*HISTORIES, (UNLABELLED,))
NOW = ((), (PASS,), (UNSURE,), (FAIL,), (PASS, FAIL))
EVERY_COMBINATION = [
    Checks(*found, new_champion=new)
    for found in product(HISTORIES, HISTORIES, QUALITIES, HISTORIES, NOW, NOW, HISTORIES[:4])
    for new in (False, True)
]


@pytest.fixture(scope="module")
def conclusions():
    return [(checks, diagnose(checks, TWO_OF_THREE)) for checks in EVERY_COMBINATION]


def test_nothing_is_said_only_where_every_check_passed(conclusions):
    said = [checks for checks, concluded in conclusions if concluded.diagnosis is Diagnosis.NOTHING]
    assert said
    for checks in said:
        assert checks.features == checks.predictions == checks.quality == (PASS,)
        for others in (checks.data, checks.serving, checks.promotion):
            assert all(verdict.passed for verdict in others)


def test_what_is_acted_on_fails_now(conclusions):
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
    for checks, concluded in conclusions:
        if checks.quality == (PASS,):
            assert concluded.cause not in (Cause.DATA_DRIFT, Cause.QUALITY_DROP)


def test_an_estimate_alone_never_acts(conclusions):
    for checks, concluded in conclusions:
        if not checks.moved and checks.quality != (FAIL, FAIL):
            assert concluded.cause in (None, Cause.BAD_CANDIDATE)


def test_nobody_retrains_on_bad_data(conclusions):
    for checks, concluded in conclusions:
        if any(verdict.failed for verdict in checks.data):
            assert concluded.cause in (None, Cause.UNKNOWN, Cause.BAD_CANDIDATE)


@pytest.mark.parametrize(
    ("checks", "expected", "cause"),
    [
        (Checks((PASS,), (PASS,), (PASS,)), Diagnosis.NOTHING, None),
        (Checks((PASS,), (PASS,), (PASS,), estimate=(UNSURE,)), Diagnosis.NOTHING, None),  # labels supersede it
        (Checks((PASS,), (PASS,), (UNSURE,)), Diagnosis.UNDECIDED, None),
        (Checks((UNSURE,), (PASS,), (PASS,)), Diagnosis.UNDECIDED, None),
        (Checks((FAIL,) * 3, (FAIL,) * 3, (PASS,)), Diagnosis.SEASONAL, None),
        (Checks((FAIL,), (PASS,), (UNSURE,)), Diagnosis.UNDECIDED, None),  # it may cost something
        (Checks((PASS,), (PASS,), (FAIL, FAIL)), Diagnosis.CONCEPT_SHIFT, Cause.QUALITY_DROP),
        (Checks((FAIL,), (FAIL,), (FAIL, PASS, FAIL)), Diagnosis.CONCEPT_SHIFT, Cause.QUALITY_DROP),
        (Checks((FAIL,), (FAIL,), (FAIL, PASS, PASS)), Diagnosis.UNDECIDED, None),  # one bad window is not yet a loss
        (Checks((FAIL, FAIL), (FAIL, FAIL), (UNLABELLED,)), Diagnosis.COVARIATE_SHIFT, Cause.DATA_DRIFT),
        (
            Checks((FAIL, FAIL), (PASS, PASS), (UNLABELLED,), estimate=(FAIL, FAIL)),
            Diagnosis.COVARIATE_SHIFT,
            Cause.DATA_DRIFT,
        ),
        (Checks((FAIL, FAIL), (FAIL, FAIL), (UNLABELLED,), estimate=(PASS,)), Diagnosis.COVARIATE_SHIFT, None),
        (Checks((FAIL, FAIL), (PASS, PASS), (UNLABELLED,), estimate=(FAIL,)), Diagnosis.UNDECIDED, None),
        (Checks((FAIL, FAIL), (PASS, PASS), (UNLABELLED,)), Diagnosis.UNDECIDED, None),
        (Checks((FAIL, PASS), (FAIL, PASS), (UNLABELLED,)), Diagnosis.UNDECIDED, None),
        (Checks((PASS,), (PASS,), (UNLABELLED,)), Diagnosis.UNDECIDED, None),  # nobody knows
        (Checks(), Diagnosis.UNDECIDED, None),
        (Checks((FAIL, FAIL), (FAIL, FAIL), (PASS,), data=(FAIL,)), Diagnosis.BAD_DATA, None),
        (Checks((FAIL, FAIL), (FAIL, FAIL), (FAIL, FAIL), data=(PASS, FAIL)), Diagnosis.BAD_DATA, Cause.UNKNOWN),
        (Checks((PASS,), (PASS,), (PASS,), promotion=(FAIL,)), Diagnosis.BAD_DEPLOYMENT, Cause.BAD_CANDIDATE),
        (
            Checks((FAIL,), (FAIL,), (FAIL, FAIL), data=(FAIL,), promotion=(FAIL,)),  # both models met the same data
            Diagnosis.BAD_DEPLOYMENT,
            Cause.BAD_CANDIDATE,
        ),
        (Checks((PASS,), (FAIL, FAIL), (UNLABELLED,), new_champion=True), Diagnosis.BAD_DEPLOYMENT, None),
        (Checks((PASS,), (FAIL, FAIL), (UNLABELLED,)), Diagnosis.UNDECIDED, None),
        (Checks((PASS,), (PASS,), (PASS,), serving=(PASS, FAIL)), Diagnosis.INFRASTRUCTURE, None),
        (Checks((FAIL,), (FAIL,), (PASS,), serving=(FAIL,)), Diagnosis.INFRASTRUCTURE, None),  # the model is well
        (Checks((FAIL,), (PASS,), (UNLABELLED,), serving=(FAIL,)), Diagnosis.UNDECIDED, None),  # it may be the inputs
        (Checks((PASS,), (PASS,), (UNLABELLED,), serving=(FAIL,)), Diagnosis.INFRASTRUCTURE, None),
        (Checks((PASS,), (PASS,), (PASS,), serving=(UNSURE,)), Diagnosis.UNDECIDED, None),
    ],
)
def test_cases(checks, expected, cause):
    concluded = diagnose(checks, TWO_OF_THREE)
    assert (concluded.diagnosis, concluded.cause) == (expected, cause)
