"""How far a window lies from the reference, column by column, and how far the reference's own blocks lie from it.

The distances are Evidently's, computed here (`distances`); Evidently itself is only imported for the HTML report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from healing.drift import ColumnDistance
from tasks.lake.columns import BATCH_DAY
from tasks.monitoring.distances import Column, Kind, columns_of, distance, missing_distance

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

REPORT_ROWS = 2_000  # of each side: the plots show no more, and the file stays at some 4 MB
_SEED = 20130101
_METHODS: Mapping[Kind, str] = {"numeric": "wasserstein", "category": "jensenshannon"}


@dataclass(frozen=True, slots=True)
class Reference:
    """What is usual: the columns of the reference rows, and the block that each row belongs to.

    Blocks are as many days long as a window, counted back from the last day; rows before the first whole block have
    block -1, and count as part of the rest.
    """

    columns: Mapping[str, Column]
    kinds: Mapping[str, Kind]
    block: "NDArray[np.int64]"

    @classmethod
    def of(cls, rows: "pd.DataFrame", kinds: Mapping[str, Kind], window_days: int) -> "Reference":
        """Sort the columns of `rows` (with `event_day`) once, for every window that will be held against them."""
        return cls(columns_of(rows, kinds), kinds, block_numbers(rows[BATCH_DAY], window_days))

    def nulls(self, rows: int) -> dict[str, list[tuple[float, float]]]:
        """How far each block, thinned to `rows`, lies from the rest of the reference: distance, and that of missing
        values.

        Thinned, because a small window lies further off than a large one by chance alone.
        """
        import numpy as np

        found: dict[str, list[tuple[float, float]]] = {column: [] for column in self.columns}
        for number in range(int(self.block.max(initial=-1)) + 1):
            inside = self.block == number
            if not inside.any() or inside.all():
                continue
            thinned = np.zeros_like(inside)
            thinned[_thinned(np.flatnonzero(inside), rows)] = True
            for name, column in self.columns.items():
                block, rest = column.only(thinned), column.only(~inside)
                found[name].append((distance(block, rest), missing_distance(block, rest)))
        return found


def measure(window: "pd.DataFrame", reference: Reference) -> tuple[ColumnDistance, ...]:
    """Each column's distance of the window to the reference, with its leave-one-block-out nulls at the window's size.

    Two a column: of its values, and of its share of missing values, which a distance between values cannot see.
    """
    nulls = reference.nulls(len(window))
    now = columns_of(window, reference.kinds)
    return tuple(
        ColumnDistance(name, found, tuple(null[place] for null in nulls[name]), missing=missing)
        for name, usual in reference.columns.items()
        for place, missing, found in (
            (0, False, distance(now[name], usual)),
            (1, True, missing_distance(now[name], usual)),
        )
    )


def write_report(current: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, Kind], path: Path) -> Path:
    """Evidently's HTML of the same distances, with the distributions; some 4 MB. Importing Evidently takes 9 s.

    Without the columns that have no value on one side: Evidently refuses them, and the verdict names them anyhow.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    now, usual = _sample(current, REPORT_ROWS), _sample(reference, REPORT_ROWS)
    known = [columns_of(side, kinds) for side in (now, usual)]
    shown = {name: kind for name, kind in kinds.items() if all(side[name].known for side in known)}
    _snapshot(now, usual, shown).save_html(str(path))
    return path


def block_numbers(days: "pd.Series[Any]", window_days: int) -> "NDArray[np.int64]":
    """The number of each row's whole block of `window_days`, counted back from the last day; -1 before the first."""
    import numpy as np
    import pandas as pd

    if days.empty:
        return np.zeros(0, dtype=np.int64)
    codes, unique = pd.factorize(days)
    last = days.max()
    ages = np.array([(last - day).days for day in unique], dtype=np.int64)[codes]
    numbers: NDArray[np.int64] = ages // window_days
    whole = (int(ages.max()) + 1) // window_days
    return np.where(numbers < whole, numbers, -1)


def kinds_of(columns: Sequence[tuple[str, str]]) -> dict[str, Kind]:
    """How each input column (name, MLflow type) is compared."""
    return {name: "category" if type_ in ("string", "boolean") else "numeric" for name, type_ in columns}


def _thinned(rows: "NDArray[np.int64]", count: int) -> "NDArray[np.int64]":
    """At most `count` of the row numbers, the same ones every time."""
    import numpy as np

    return rows if len(rows) <= count else np.random.default_rng(_SEED).choice(rows, count, replace=False)


def _snapshot(current: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, Kind]) -> Any:
    """One Evidently report, with its plots."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[column for column, kind in kinds.items() if kind == "numeric"],
        categorical_columns=[column for column, kind in kinds.items() if kind == "category"],
    )
    columns = list(kinds)
    report = Report([ValueDrift(column=c, method=_METHODS[kinds[c]]) for c in columns], include_tests=False)
    return report.run(
        Dataset.from_pandas(current[columns], data_definition=definition),
        Dataset.from_pandas(reference[columns], data_definition=definition),
    )


def _sample(rows: "pd.DataFrame", count: int) -> "pd.DataFrame":
    return rows if len(rows) <= count else rows.sample(count, random_state=_SEED)
