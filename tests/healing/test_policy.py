"""`next_step` applies the mildest remedy, repeats it only after the others, and keeps the budgets."""

from datetime import UTC, datetime, timedelta

import pytest

from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy, Status
from healing.policy import (
    DEFAULT_REMEDIES,
    TREATABLE_CAUSES,
    Apply,
    Budget,
    Escalate,
    Policy,
    WaitUntil,
    next_step,
    remedies_for,
)

NOW = datetime(2013, 6, 1, tzinfo=UTC)
FAILED, FUTILE = AttemptOutcome.FAILED, AttemptOutcome.FUTILE


def incident(cause, *tried, ended=timedelta(hours=1)):
    attempts = tuple(
        Attempt(number, remedy, NOW - ended, outcome, NOW - ended) for number, (remedy, outcome) in enumerate(tried, 1)
    )
    return Incident("i", "flights", cause, "abc", Status.HEALING, NOW - timedelta(hours=2), attempts=attempts)


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (incident(Cause.MODEL_CORRUPT), Apply(Remedy.ROLLBACK)),
        (incident(Cause.MODEL_FAILING), Apply(Remedy.RESTART_WORKER)),
        (incident(Cause.MODEL_FAILING, (Remedy.RESTART_WORKER, FAILED)), Apply(Remedy.ROLLBACK)),
        (
            incident(Cause.MODEL_FAILING, (Remedy.RESTART_WORKER, FAILED), (Remedy.ROLLBACK, FAILED)),
            Apply(Remedy.RESTART_WORKER),
        ),
        (
            incident(Cause.MODEL_FAILING, (Remedy.RESTART_WORKER, FUTILE), (Remedy.ROLLBACK, FAILED)),
            Apply(Remedy.ROLLBACK),
        ),
        (incident(Cause.QUALITY_DROP, (Remedy.RETRAIN, FAILED)), Apply(Remedy.RETRAIN)),
    ],
)
def test_the_mildest_remedy_with_the_fewest_failures_comes_next(found, step):
    assert next_step(found, Policy(), NOW) == step


@pytest.mark.parametrize(
    "found",
    [
        incident(Cause.UNKNOWN),
        incident(Cause.QUALITY_DROP, (Remedy.RETRAIN, FUTILE)),
        incident(Cause.QUALITY_DROP, *[(Remedy.RETRAIN, FAILED)] * 3),
    ],
    ids=["unknown cause", "only remedy is futile", "budget is spent"],
)
def test_an_incident_is_escalated_when_no_remedy_is_left(found):
    assert isinstance(next_step(found, Policy(), NOW), Escalate)


def test_the_cool_down_doubles_with_each_attempt():
    budget = Budget(cooldown=timedelta(seconds=10))
    once = incident(Cause.QUALITY_DROP, (Remedy.RETRAIN, FAILED), ended=timedelta(seconds=9))
    twice = incident(Cause.QUALITY_DROP, *[(Remedy.RETRAIN, FAILED)] * 2, ended=timedelta(seconds=15))
    policy = Policy(budget=budget)
    assert next_step(once, policy, NOW).until == NOW + timedelta(seconds=1)
    assert next_step(once, policy, NOW + timedelta(seconds=1)) == Apply(Remedy.RETRAIN)
    assert isinstance(next_step(twice, policy, NOW), WaitUntil)


def test_an_incident_is_escalated_at_the_daily_cap_of_its_cause():
    policy = Policy(budget=Budget(attempts_daily_max=2))
    old = Attempt(1, Remedy.RETRAIN, NOW - timedelta(hours=25), FAILED)
    new = Attempt(1, Remedy.RETRAIN, NOW - timedelta(hours=1), FAILED)
    found = incident(Cause.QUALITY_DROP)
    assert next_step(found, policy, NOW, [old, new]) == Apply(Remedy.RETRAIN)
    assert isinstance(next_step(found, policy, NOW, [new, new]), Escalate)


def test_a_pipeline_can_replace_or_forbid_remedies():
    policy = Policy().overridden({Cause.MODEL_SLOW: (Remedy.ROLLBACK,), Cause.DATA_DRIFT: ()})
    assert next_step(incident(Cause.MODEL_SLOW), policy, NOW) == Apply(Remedy.ROLLBACK)
    assert isinstance(next_step(incident(Cause.DATA_DRIFT), policy, NOW), Escalate)
    assert next_step(incident(Cause.MODEL_CORRUPT), policy, NOW) == Apply(Remedy.ROLLBACK)


def test_every_cause_has_default_remedies_that_can_treat_it():
    assert set(DEFAULT_REMEDIES) == set(Cause)
    assert all(DEFAULT_REMEDIES.values())
    for cause, remedies in DEFAULT_REMEDIES.items():
        assert set(remedies) <= set(remedies_for(cause)), cause


def test_every_remedy_can_treat_a_cause():
    assert set(TREATABLE_CAUSES) == set(Remedy)
    assert all(TREATABLE_CAUSES.values())
