"""Policy: every cause has remedies that can treat it, and a pipeline can replace or forbid them. See test_plan.py."""

from healing.incident import Cause, Remedy
from healing.policy import DEFAULT_REMEDIES, TREATABLE_CAUSES, Policy, remedies_for


def test_a_pipeline_can_replace_or_forbid_remedies():
    policy = Policy().overridden({Cause.MODEL_SLOW: (Remedy.ROLLBACK,), Cause.DATA_DRIFT: ()})
    assert policy.remedies[Cause.MODEL_SLOW] == (Remedy.ROLLBACK,)
    assert policy.remedies[Cause.DATA_DRIFT] == ()
    assert policy.remedies[Cause.MODEL_CORRUPT] == (Remedy.ROLLBACK,)


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
