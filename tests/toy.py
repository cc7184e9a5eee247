"""The lake of the toy pipeline. Its labels follow a law that a test may change from some day on."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.evaluation.labels import LabelSource, label_source

PIPELINES_DIR = Path(__file__).parent / "toy_pipeline"
PIPELINE = "toy"
FIRST = date(2013, 1, 1)
ROWS_PER_DAY = 120

_FEATURES = pa.schema(
    [
        ("id", pa.string()),
        ("asked_at", pa.timestamp("us", tz="UTC")),
        ("event_day", pa.date32()),
        ("kind", pa.string()),
        ("x", pa.float64()),
        ("z", pa.float64()),
    ]
)
_OUTCOMES = pa.schema(
    [
        ("id", pa.string()),
        ("known_at", pa.timestamp("us", tz="UTC")),
        ("event_day", pa.date32()),
        ("late", pa.int64()),
    ]
)

Logit = Callable[[pd.DataFrame], pd.Series]

_TEMPORARY = tempfile.TemporaryDirectory(prefix="autopilot-toy-", ignore_cleanup_errors=True)
atexit.register(_TEMPORARY.cleanup)
_written: dict[tuple[int, int, Logit, float, float, bool, int], Path] = {}


def usual(rows: pd.DataFrame) -> pd.Series:
    """The logit of the label by default."""
    return 1.5 * rows["x"] + rows["kind"].map({"a": -1.0, "b": 0.5})


def reversed_law(rows: pd.DataFrame) -> pd.Series:
    """The opposite law: rows that were likely late are now likely on time."""
    return -usual(rows)


def day_of(index: int) -> date:
    """The index-th day of the toy's lake, from 0."""
    return FIRST + timedelta(days=index)


def write_days(
    lake_root: Path,
    first: int,
    days: int,
    *,
    law: Logit = usual,
    shift: float = 0.0,
    scale: float = 1.0,
    labels: bool = True,
    seed: int = 0,
) -> None:
    """Append `days` days from day `first` on; every x is multiplied by `scale`, then `shift` is added.

    Labels are known three hours after the request. A new lake is copied from one that this process wrote before: each
    day is two commits, and many tests begin with the same weeks.
    """
    if lake_root.exists():
        _write_days(lake_root, first, days, law, shift, scale, labels, seed)
        return
    key = (first, days, law, shift, scale, labels, seed)
    if key not in _written:
        _written[key] = Path(_TEMPORARY.name) / str(len(_written))
        _write_days(_written[key], *key)
    shutil.copytree(_written[key], lake_root)


def _write_days(
    lake_root: Path, first: int, days: int, law: Logit, shift: float, scale: float, labels: bool, seed: int
) -> None:
    for index in range(first, first + days):
        rows = _rows(index, shift, seed, scale)
        _append(lake_root / "features", rows[_FEATURES.names], _FEATURES)
        outcomes = _outcomes(rows, law, np.random.default_rng((seed, index, 1)))
        _append(lake_root / "outcomes", outcomes if labels else outcomes.iloc[:0], _OUTCOMES)


def labelled_days(first: int, days: int, *, law: Logit = usual, seed: int = 0) -> pd.DataFrame:
    """The rows of days without a lake, with the label as `label`."""
    parts = []
    for index in range(first, first + days):
        rows = _rows(index, 0.0, seed)
        late = _outcomes(rows, law, np.random.default_rng((seed, index, 1)))["late"]
        parts.append(rows.assign(label=late.astype("float64")))
    return pd.concat(parts, ignore_index=True)


def toy_pipeline() -> Pipeline:
    return load_pipeline(PIPELINE, PIPELINES_DIR)


def toy_labels(lake_root: Path) -> LabelSource:
    return label_source(toy_pipeline(), lake_root)


def _rows(index: int, shift: float, seed: int, scale: float = 1.0) -> pd.DataFrame:
    generator = np.random.default_rng((seed, index))
    day = day_of(index)
    noon = pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=15)
    return pd.DataFrame(
        {
            "id": [f"{day}-{number}" for number in range(ROWS_PER_DAY)],
            "asked_at": noon + pd.to_timedelta(np.arange(ROWS_PER_DAY), unit="s"),
            "event_day": day,
            "kind": generator.choice(["a", "b"], ROWS_PER_DAY),
            "x": scale * generator.normal(size=ROWS_PER_DAY) + shift,
            "z": generator.normal(size=ROWS_PER_DAY),
        }
    )


def _outcomes(rows: pd.DataFrame, law: Logit, generator: np.random.Generator) -> pd.DataFrame:
    chance = 1 / (1 + np.exp(-law(rows)))
    return pd.DataFrame(
        {
            "id": rows["id"],
            "known_at": rows["asked_at"] + pd.Timedelta(hours=3),
            "event_day": rows["event_day"],
            "late": (generator.random(len(rows)) < chance).astype("int64"),
        }
    )


def _append(path: Path, rows: pd.DataFrame, schema: pa.Schema) -> None:
    write_deltalake(path, pa.Table.from_pandas(rows, schema=schema, preserve_index=False), mode="append")
