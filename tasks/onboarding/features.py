"""The `features.py` of a draft: it passes columns through, and turns dates into days before the event."""

from tasks.onboarding.columns import ColumnGuess
from tasks.onboarding.configuration import ROWS
from tasks.onboarding.draft import PipelineDraft

_FEATURES = '''\
"""The model's inputs: columns of each row, booleans as 0 and 1, dates as days before the event."""

from collections.abc import Mapping

import pandas as pd

KEY, TIME = "{key}", "{time}"
NUMBERS{numbers}
CATEGORIES{categories}
DATES{dates}
INPUT_NUMBERS = [*NUMBERS, *(f"{{name}}_days_before" for name in DATES)]


def build_features(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return exactly one row per row of `{rows}`: key, `asked_at`, `event_day`, then the model's inputs.

    Unknown values are NaN or None.
    """
    rows = tables["{rows}"]
    when = rows[TIME].dt.as_unit("us")
    named = {{KEY: rows[KEY], "asked_at": when, "event_day": rows["event_day"]}}
    categories = {{name: rows[name].astype(object) for name in CATEGORIES}}
    numbers = {{name: rows[name].astype("float64") for name in NUMBERS}}
    ages = {{f"{{name}}_days_before": (when - rows[name]).dt.total_seconds() / 86_400 for name in DATES}}
    return pd.DataFrame({{**named, **categories, **numbers, **ages}})
'''


def features_module(draft: PipelineDraft) -> str:
    """Source of `features.py`."""
    names: dict[str, list[str]] = {"NUMBERS": [], "CATEGORIES": [], "DATES": []}
    for column in draft.inputs:
        names[name_list(column)].append(column.name)
    return _FEATURES.format(
        key=draft.key,
        time=draft.time.name,
        rows=ROWS,
        numbers=_assigned_list(names["NUMBERS"]),
        categories=_assigned_list(names["CATEGORIES"]),
        dates=_assigned_list(names["DATES"]),
    )


def name_list(column: ColumnGuess) -> str:
    """The list in `features.py` that has the column's name."""
    return {"string": "CATEGORIES", "timestamp": "DATES"}.get(column.type, "NUMBERS")


def _assigned_list(names: list[str]) -> str:
    """Assignment of a list, one name per line; an empty list gets a type annotation, which type checkers need."""
    if not names:
        return ": list[str] = []"
    return " = [\n" + "".join(f'    "{name}",\n' for name in names) + "]"
