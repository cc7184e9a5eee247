"""One Delta commit for a merge plan: create the table, append, merge by key, or replace days."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from tasks.lake.columns import BATCH_DAY
from tasks.lake.merge_plan import MergePlan

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

# A version that a model was trained on is read again years later. Only `maintain` deletes files.
_TABLE_PROPERTIES = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 3650 days",
}


def write_plan(
    address: str,
    options: Mapping[str, str] | None,
    table: "DeltaTable | None",
    plan: MergePlan,
    key: Sequence[str],
    properties: "CommitProperties",
) -> None:
    """Write `plan` to the table at `address`; `table` is None while there is none. DeltaError or OSError on failure."""
    from deltalake import write_deltalake

    if table is None:
        # Mode "append" would add rows that were never compared, if another writer has just created the table.
        write_deltalake(
            address,
            plan.added,
            mode="error",
            configuration=_TABLE_PROPERTIES,
            commit_properties=properties,
            storage_options=None if options is None else dict(options),
        )
    elif plan.replaced_days is not None:
        first, last = plan.replaced_days
        days = f"{BATCH_DAY} >= '{first}' AND {BATCH_DAY} <= '{last}'"
        write_deltalake(table, plan.added, mode="overwrite", predicate=days, commit_properties=properties)
    elif plan.corrected.num_rows:
        _merge(table, pa.concat_tables([plan.added, plan.corrected]), key, properties)
    else:
        write_deltalake(table, plan.added, mode="append", commit_properties=properties)


def _merge(table: "DeltaTable", rows: pa.Table, key: Sequence[str], properties: "CommitProperties") -> None:
    same_key = " AND ".join(f"stored.{name} = arrived.{name}" for name in key)
    merger = table.merge(rows, same_key, source_alias="arrived", target_alias="stored", commit_properties=properties)
    merger.when_matched_update_all().when_not_matched_insert_all().execute()
