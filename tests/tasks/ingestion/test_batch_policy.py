"""Ingestion repairs a batch and sets rows aside only as policy allows."""

import pandas as pd
import pytest

from healing.incident import Cause, Remedy
from healing.policy import Policy
from tasks.config.policy_file import LoadedPolicy
from tasks.ingestion.batch_policy import validate_within_policy
from tasks.ingestion.stores import Stores
from tasks.ledger.store import Ledger
from tests.tasks.ingestion.test_validate import DAY, as_batch, causes, first, flights, pipeline  # noqa: F401

DEFAULT = Policy().remedies


@pytest.fixture
def validated(tmp_path, pipeline):  # noqa: F811
    """Validates one batch of flights with some remedies disabled, or with other remedies of one cause."""

    def validate(batch, *disabled, **policy):
        remedies = {**DEFAULT, **{Cause(cause): tuple(order) for cause, order in policy.items()}}
        table = pipeline.tables["flights"].model_copy(update={"suite": None})  # slow to load
        own = pipeline.model_copy(update={"tables": {**pipeline.tables, "flights": table}})
        own._folder, own._policy = pipeline.folder, LoadedPolicy(policy=Policy(remedies))
        with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
            folders = (tmp_path / "lake", tmp_path / "quarantine")
            stores = Stores(own, *folders, ledger, lambda *_: None, lambda *_: None, disabled=frozenset(disabled))
            [found] = validate_within_policy(stores, "flights", [batch])
        return found

    return validate


def with_gaps():
    return flights(dest=first([None] * 10, "IAH"))


def repeated():
    rows = flights().rows
    return as_batch("flights", DAY, pd.concat([rows, rows.head(10)], ignore_index=True))


def renamed():
    return as_batch("flights", DAY, flights().rows.rename(columns={"carrier": "airline"}))


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        (with_gaps, (Cause.NULL_SPIKE, Remedy.QUARANTINE_BATCH)),
        (repeated, (Cause.DUPLICATE_DATA, Remedy.REPAIR_BATCH)),
        (renamed, (Cause.SCHEMA_BREAK, Remedy.REPAIR_BATCH)),
    ],
)
def test_what_policy_allows_is_applied(validated, batch, found):
    accepted = validated(batch())
    assert (causes(accepted), accepted.rejected) == ([found], None)


@pytest.mark.parametrize(
    ("batch", "disabled", "found"),
    [
        (with_gaps, Remedy.QUARANTINE_BATCH, (Cause.NULL_SPIKE, Remedy.ESCALATE)),
        (repeated, Remedy.REPAIR_BATCH, (Cause.DUPLICATE_DATA, Remedy.ESCALATE)),
        (renamed, Remedy.REPAIR_BATCH, (Cause.SCHEMA_BREAK, Remedy.QUARANTINE_BATCH)),
    ],
)
def test_without_a_disabled_remedy_no_row_of_the_batch_is_accepted(validated, batch, disabled, found):
    refused = validated(batch(), disabled)
    assert causes(refused) == [found]
    assert refused.good.num_rows == 0
    assert len(refused.bad) == refused.received
    assert f"policy forbids {disabled} for {found[0]}" in (refused.rejected or "")


def test_a_policy_that_leaves_out_a_default_of_the_cause_forbids_it(validated):
    assert causes(validated(with_gaps(), null_spike=())) == [(Cause.NULL_SPIKE, Remedy.ESCALATE)]
    assert causes(validated(repeated(), null_spike=())) == [(Cause.DUPLICATE_DATA, Remedy.REPAIR_BATCH)]


def test_a_policy_need_not_name_what_is_no_default_of_the_cause(validated):
    """The contract allows unit conversions, which are no default remedy of bad rows."""
    kilometres = flights(distance="2253.0816")
    assert causes(validated(kilometres, bad_rows=(Remedy.QUARANTINE_BATCH,))) == [(Cause.BAD_ROWS, Remedy.REPAIR_BATCH)]
