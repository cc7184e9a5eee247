"""The remedies found in `tasks/incidents/remedies/` agree with the policy's table of treatable causes."""

import pkgutil

import pytest

from healing.incident import Cause, Remedy
from healing.policy import TREATABLE_CAUSES
from tasks.incidents import remedies
from tasks.incidents.remedy_registry import find_remedy, implementation_of, registered_remedies


@pytest.mark.parametrize("remedy", Remedy)
def test_a_remedy_has_one_implementation_per_cause_that_it_can_treat(remedy):
    for cause in Cause:
        implementations = [a for a in registered_remedies() if a.remedy is remedy and a.applies_to(cause)]
        assert len(implementations) == (1 if cause in TREATABLE_CAUSES[remedy] else 0), cause


def test_every_file_registers_a_remedy():
    files = {f"{remedies.__name__}.{module.name}" for module in pkgutil.iter_modules(remedies.__path__)}
    assert {type(action).__module__ for action in registered_remedies()} == files


def test_a_remedy_that_cannot_treat_the_cause_is_not_found():
    assert find_remedy(Remedy.ROLLBACK, Cause.QUALITY_DROP) is None
    assert implementation_of(Remedy.ROLLBACK).remedy is Remedy.ROLLBACK


def test_waiting_for_data_ingests_again_and_waiting_for_the_gateway_only_waits():
    found = [type(find_remedy(Remedy.WAIT, cause)).__name__ for cause in (Cause.STALE_DATA, Cause.DISK_FULL)]
    assert found == ["IngestRemedy", "WaitRemedy"]


def test_a_retrain_may_take_longer_than_any_other_run():
    limits = {remedy: implementation_of(remedy).seconds_max for remedy in Remedy}
    assert limits.pop(Remedy.RETRAIN) > max(limits.values())
