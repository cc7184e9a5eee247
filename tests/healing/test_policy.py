"""Policy: every cause has remedies that can treat it, and limits. See test_plan.py."""

from healing.incident import Cause, Remedy
from healing.limits import Limits
from healing.policy import DEFAULT_REMEDIES, TREATABLE_CAUSES, Policy, remedies_for


def test_a_cause_has_its_own_limits_or_those_of_every_cause():
    own = Limits(attempts_max=1)
    policy = Policy(cause_limits={Cause.MODEL_SLOW: own})
    assert policy.limits_for(Cause.MODEL_SLOW) == own
    assert policy.limits_for(Cause.DATA_DRIFT) == Limits()


def test_a_hold_time_for_every_cause_replaces_that_of_each():
    policy = Policy(cause_limits={Cause.MODEL_SLOW: Limits(attempts_max=1)}).holding_for(2)
    assert policy.limits_for(Cause.MODEL_SLOW) == Limits(attempts_max=1, hold_seconds=2)
    assert policy.limits == Limits(hold_seconds=2)


def test_disabled_remedies_are_left_out_for_every_cause():
    policy = Policy().without({Remedy.ROLLBACK})
    assert policy.remedies[Cause.MODEL_CORRUPT] == (Remedy.REPUBLISH,)
    assert policy.remedies[Cause.MODEL_SLOW] == (Remedy.RESTART_WORKER,)


def test_every_cause_has_default_remedies_that_can_treat_it():
    assert set(DEFAULT_REMEDIES) == set(Cause)
    assert all(DEFAULT_REMEDIES.values())
    for cause, remedies in DEFAULT_REMEDIES.items():
        assert set(remedies) <= set(remedies_for(cause)), cause


INFRASTRUCTURE = {
    Cause.REGISTRY_UNAVAILABLE,
    Cause.STORE_UNAVAILABLE,
    Cause.ORCHESTRATOR_UNAVAILABLE,
    Cause.GATEWAY_DOWN,
    Cause.DISK_FULL,
    Cause.RESOURCE_PRESSURE,
}


def test_infrastructure_never_replaces_rolls_back_or_fences_a_model():
    for remedy in (Remedy.ABORT_CANARY, Remedy.ROLLBACK, Remedy.RETRAIN):
        assert not TREATABLE_CAUSES[remedy] & INFRASTRUCTURE


def test_every_remedy_can_treat_a_cause():
    assert set(TREATABLE_CAUSES) == set(Remedy)
    assert all(TREATABLE_CAUSES.values())
