"""Labels of the due day that come late, only for a biased part of the rows, or with the values of other rows."""

from collections.abc import Mapping

from chaos.faults.feed import SpoiledBatch, spoiled_batch
from chaos.lab import Lab
from chaos.spoiled_rows import SpoilOrder

__all__ = ["KIND", "prepare"]

KIND = "labels"
CHANGES: Mapping[str, str] = {"late": "empty", "biased": "lowest", "poisoned": "shuffle", "wrong_unit": "scale"}


def prepare(
    lab: Lab, change: str, table: str = "outcomes", column: str = "arr_delay", share: float = 1.0, factor: float = 1.0
) -> SpoiledBatch:
    """`change` is late (no label yet), biased (the labels with the lowest values come first), poisoned or wrong_unit.

    `table` and `column` are where the bundled source has the labels. LookupError as for a spoiled batch.
    """
    if change not in CHANGES:
        raise LookupError(f"expected a change among {', '.join(CHANGES)}, found {change!r}")
    named = "" if change == "late" else column
    return spoiled_batch(lab, table, SpoilOrder(CHANGES[change], named, share=share, factor=factor))
