"""Distances between a window and the reference, computed by Evidently one column at a time.

Importing Evidently takes 9 s, so it stands inside the functions that need it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import structlog
from pydantic import TypeAdapter

from healing.drift import ColumnDistance
from releases.files import write_atomically
from tasks.checks.contract import BATCH_DAY

if TYPE_CHECKING:
    import pandas as pd

log = structlog.get_logger(__name__)

SAMPLE_ROWS = 2_000  # of each side: a Wasserstein distance is then good to about 0.02 standard deviations
_SEED = 20130101
Kind = Literal["numeric", "category"]
_METHODS: Mapping[Kind, str] = {"numeric": "wasserstein", "category": "jensenshannon"}
_NULLS = TypeAdapter(dict[str, list[float]])


def measure(
    window: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, Kind], window_days: int, cache: Path
) -> tuple[ColumnDistance, ...]:
    """Each column's distance of the window to the reference, with its leave-one-block-out nulls.

    Both frames carry `event_day`. Nulls are taken from the reference's own blocks of `window_days`, at the window's
    number of rows, and kept in `cache` (a file that names the model), because a model's reference never changes.
    """
    rows = min(len(window), SAMPLE_ROWS)
    nulls = _cached_nulls(reference, kinds, window_days, rows, cache)
    found = distances(_sample(window, rows), _sample(reference, SAMPLE_ROWS), kinds)
    return tuple(ColumnDistance(column, found[column], tuple(nulls[column])) for column in kinds)


def distances(current: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, Kind]) -> dict[str, float]:
    """Normed Wasserstein distance of each numeric column, Jensen-Shannon distance of each category.

    These are Evidently's own functions, called without the report around them, which spends five times as long on
    plots. A column without a single value on one side is as far as can be: 1.0.
    """
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test, wasserstein_stat_test
    from evidently.legacy.core import ColumnType

    tests: Mapping[Kind, tuple[Any, Any]] = {
        "numeric": (wasserstein_stat_test, ColumnType.Numerical),
        "category": (jensenshannon_stat_test, ColumnType.Categorical),
    }
    found = {}
    for column, kind in kinds.items():
        usual, now = _known(reference[column]), _known(current[column])
        test, type_ = tests[kind]
        known = len(usual) > 0 and len(now) > 0
        found[column] = float(test(usual, now, type_, test.default_threshold).drift_score) if known else 1.0
    return found


def write_report(current: "pd.DataFrame", reference: "pd.DataFrame", kinds: Mapping[str, Kind], path: Path) -> Path:
    """Evidently's HTML of the same distances, with the distributions; some 4 MB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _snapshot(_sample(current, SAMPLE_ROWS), _sample(reference, SAMPLE_ROWS), kinds).save_html(str(path))
    return path


def blocks_of(reference: "pd.DataFrame", window_days: int) -> "list[pd.DataFrame]":
    """The reference cut into whole blocks of `window_days`, counted back from its last day."""
    last: date = reference[BATCH_DAY].max()
    first: date = reference[BATCH_DAY].min()
    blocks = []
    while last - timedelta(days=window_days - 1) >= first:
        start = last - timedelta(days=window_days - 1)
        blocks.append(reference[(reference[BATCH_DAY] >= start) & (reference[BATCH_DAY] <= last)])
        last = start - timedelta(days=1)
    return [block for block in blocks if not block.empty]


def leave_one_block_out(
    reference: "pd.DataFrame", kinds: Mapping[str, Kind], window_days: int, rows: int
) -> dict[str, list[float]]:
    """How far each block of the reference, sampled to `rows`, lies from the rest of it."""
    nulls: dict[str, list[float]] = {column: [] for column in kinds}
    for block in blocks_of(reference, window_days):
        rest = reference.drop(block.index)
        if rest.empty:
            continue
        for column, distance in distances(_sample(block, rows), _sample(rest, SAMPLE_ROWS), kinds).items():
            nulls[column].append(distance)
    return nulls


def _cached_nulls(
    reference: "pd.DataFrame", kinds: Mapping[str, Kind], window_days: int, rows: int, cache: Path
) -> dict[str, list[float]]:
    kept = cache.with_name(f"{cache.name}-{window_days}d-{rows}.json")
    if kept.exists():
        nulls = _NULLS.validate_json(kept.read_bytes())
        if set(nulls) == set(kinds):
            return nulls
    nulls = leave_one_block_out(reference, kinds, window_days, rows)
    write_atomically(kept, json.dumps(nulls).encode())
    log.info("drift_thresholds_learned", blocks=len(next(iter(nulls.values()), [])), rows=rows, file=kept.name)
    return nulls


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


def _known(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The finite values, as Evidently itself takes them."""
    import numpy as np

    return column.replace([-np.inf, np.inf], np.nan).dropna()


def _sample(rows: "pd.DataFrame", count: int) -> "pd.DataFrame":
    return rows if len(rows) <= count else rows.sample(count, random_state=_SEED)


def kinds_of(columns: Sequence[tuple[str, str]]) -> dict[str, Kind]:
    """How each input column (name, MLflow type) is compared."""
    return {name: "category" if type_ in ("string", "boolean") else "numeric" for name, type_ in columns}
