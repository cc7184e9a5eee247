"""A pipeline as it is guessed from a file: every decision, before anything is written."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from healing.errors import UsageError
from tasks.ingestion.sources.contract_form import parse_times
from tasks.onboarding.cadence import Cadence, guess_cadence
from tasks.onboarding.columns import ColumnGuess, guess_column
from tasks.onboarding.estimator import EstimatorGuess, guess_estimator
from tasks.onboarding.label import LabelGuess, Task, guess_label
from tasks.onboarding.names import plain_names
from tasks.onboarding.times import READABLE_SHARE_MIN, guess_formats
from tasks.training.dataset import POSITIVES_MIN

if TYPE_CHECKING:
    import pandas as pd

_GAPS_MAX = 0.05  # of rows without key or time: the contract's own limit
_ROWS_MIN = 2 * POSITIVES_MIN  # to learn a quantity from, as many as a classifier needs of both classes


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user said: a name, a file, and what three of its columns are."""

    name: str
    data: Path
    label: str
    time: str
    key: str
    task: Task | None = None
    positive: str | None = None
    dates: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that the folder's files are written from. `key` is the pipeline's name for the key column."""

    asked: Asked
    rows: int
    key: str
    key_why: str
    time: ColumnGuess
    label: LabelGuess
    columns: tuple[ColumnGuess, ...]
    cadence: Cadence
    estimator: EstimatorGuess

    @property
    def inputs(self) -> tuple[ColumnGuess, ...]:
        """The columns that a model gets."""
        return tuple(column for column in self.columns if column.use)


def draft_pipeline(asked: Asked, rows: "pd.DataFrame") -> Draft:
    """Guess everything about `rows` (all text). UsageError with one line where no pipeline can come of it."""
    _check_columns(asked, list(rows.columns))
    names = plain_names(rows.columns)
    key_why = _judge_key(asked.key, rows)
    time = _guess_time(asked, names[asked.time], rows[asked.time])
    label = guess_label(asked.label, names[asked.label], rows[asked.label], asked.task, asked.positive)
    days = parse_times(rows[asked.time], time.formats).dt.date
    labelled = days.notna() & rows[asked.label].notna()
    cadence = guess_cadence(list(days[labelled]), asked.time)
    _check_enough(label, rows.loc[labelled, asked.label], days[labelled], cadence)
    others = [name for name in rows.columns if name not in (asked.key, asked.time, asked.label)]
    columns = tuple(guess_column(name, names[name], rows[name], asked.dates) for name in others)
    if not any(column.use for column in columns):
        why = "; ".join(f"{column.source_name}: {column.why}" for column in columns) or "there is no other column"
        raise UsageError(f"expected a column to learn from besides key, time and label, found none: {why[:300]}")
    estimator = guess_estimator(label.output, cadence.learned)
    return Draft(asked, len(rows), names[asked.key], key_why, time, label, columns, cadence, estimator)


def _check_columns(asked: Asked, columns: list[str]) -> None:
    wanted = {"--label": asked.label, "--time": asked.time, "--key": asked.key}
    for option, name in wanted.items():
        if name not in columns:
            raise UsageError(
                f"{option} {name!r} is no column of {asked.data.name}; columns are {', '.join(columns)[:300]}"
            )
    if len(set(wanted.values())) < len(wanted):
        raise UsageError(
            f"--label, --time and --key are three different columns, found {', '.join(map(repr, wanted.values()))}; "
            "add a column that numbers the rows if none names them"
        )


def _judge_key(column: str, rows: "pd.DataFrame") -> str:
    """What there is to say of the key; UsageError unless it names a row."""
    key = rows[column]
    missing = float(key.isna().mean())
    if missing > _GAPS_MAX:
        raise UsageError(
            f"key {column!r}: expected a value in every row, found none in {missing:.0%} of {len(rows)} rows"
        )
    again = key.notna() & key.duplicated()
    copies = again & rows.duplicated()
    if again.sum() > copies.sum():
        first = key[again].iloc[0]
        raise UsageError(
            f"key {column!r}: expected a different value in each row, found {int(again.sum())} of {len(rows)} rows "
            f"with one that another row has ({first!r}: {int((key == first).sum())} times); name a column that tells "
            "rows apart, or add one"
        )
    noted = [
        f"different in all {int(key.nunique())} rows"
        if not copies.any()
        else f"{int(copies.sum())} exact copies of rows count once"
    ]
    return "; ".join([*noted, *([f"{missing:.1%} missing, for quarantine"] if missing else [])])


def _guess_time(asked: Asked, name: str, text: "pd.Series[str]") -> ColumnGuess:
    missing = float(text.isna().mean())
    if missing > _GAPS_MAX:
        raise UsageError(f"time {asked.time!r}: expected a time in every row, found none in {missing:.0%} of them")
    found = guess_formats(text, asked.dates)
    if found is None:
        raise UsageError(
            f"time {asked.time!r}: expected times that one of ISO 8601, 31/12/2013, 12/31/2013, 31 Dec 2013 or seconds "
            f"since 1970 can read in {READABLE_SHARE_MIN:.0%} of the rows, found for example "
            f"{str(text.dropna().iloc[0])!r}"
        )
    if found.ambiguous is not None:
        raise UsageError(
            f"time {asked.time!r}: {found.ambiguous!r} can be read day first or month first, and no row decides; "
            "say --dates day-first or --dates month-first"
        )
    why = f"times as {' or '.join(found.formats) or 'ISO 8601'}, in UTC where no zone is written"
    return ColumnGuess(asked.time, name, "timestamp", False, True, why, formats=found.formats)


def _check_enough(label: LabelGuess, text: "pd.Series[str]", days: "pd.Series[date]", cadence: Cadence) -> None:
    """UsageError unless the first training would have rows enough."""
    learned = text[(days <= cadence.last - timedelta(days=cadence.holdout_days)).to_numpy()]
    if label.output == "value":
        if len(learned) < _ROWS_MIN:
            raise UsageError(f"expected {_ROWS_MIN} labelled rows to learn from, found {len(learned)}; gather more")
        return
    positives = int(positive_rows(label, learned).sum())
    fewest = min(positives, len(learned) - positives)
    if fewest < POSITIVES_MIN:
        raise UsageError(
            f"label {label.source_name!r}: expected {POSITIVES_MIN} rows of each class to learn from, found "
            f"{positives} positive and {len(learned) - positives} other before the last {cadence.holdout_days} days; "
            "gather more"
        )


def positive_rows(label: LabelGuess, text: "pd.Series[str]") -> "pd.Series[bool]":
    """Where the label's text is the positive class."""
    import pandas as pd

    if label.type == "string":
        return text == label.positive
    if label.type == "boolean":
        return text.str.lower() == str(label.positive is None or label.positive).lower()
    wanted = 1.0 if label.positive is None else label.positive
    return pd.to_numeric(text, errors="coerce") == wanted
