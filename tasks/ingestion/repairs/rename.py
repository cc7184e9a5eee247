"""Repair `rename`: a column gets its right name back, where the contract lists the wrong one."""

from healing.incident import Cause
from tasks.config.contract_section import Repair
from tasks.config.table import Table
from tasks.ingestion.validation.batch_frame import AppliedRepair
from tasks.ingestion.validation.schema import SchemaGap


def rename_columns(table: Table, names: list[str], gap: SchemaGap) -> tuple[list[str], list[AppliedRepair]]:
    """Rename the columns that the contract lists under a wrong name; returns the names and one repair per column.

    A wrong name is used only for a column that is missing, and only when it is the only candidate for that column.
    """
    candidates: dict[str, list[str]] = {}
    for wrong in gap.unknown:
        right = table.renames.get(wrong)
        if right in gap.missing:
            candidates.setdefault(right, []).append(wrong)
    renamed = {wrongs[0]: right for right, wrongs in candidates.items() if len(wrongs) == 1}
    repairs = [
        AppliedRepair(Repair.RENAME, f"renamed {wrong} to {right}", Cause.SCHEMA_BREAK)
        for wrong, right in renamed.items()
    ]
    return [renamed.get(name, name) for name in names], repairs
