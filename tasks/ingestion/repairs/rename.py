"""Repairs that the contract allows. Each says what it changed, and changes nothing else."""

from typing import TYPE_CHECKING

from tasks.config.pipeline import Table
from tasks.ingestion.validation.contract import SchemaGap

if TYPE_CHECKING:
    import pandas as pd


def rename_back(table: Table, rows: "pd.DataFrame", gap: SchemaGap) -> tuple["pd.DataFrame", tuple[str, ...]]:
    """Give columns their right names where the contract lists the wrong one; returns the rows and what was renamed.

    A wrong name is used only for a column that is missing, and only when no other name claims the same column.
    """
    claims: dict[str, list[str]] = {}
    for wrong in gap.unknown:
        right = table.renames.get(wrong)
        if right in gap.missing:
            claims.setdefault(right, []).append(wrong)
    renamed = {wrongs[0]: right for right, wrongs in claims.items() if len(wrongs) == 1}
    return rows.rename(columns=renamed), tuple(f"renamed {wrong} to {right}" for wrong, right in renamed.items())
