"""A pipeline draft: everything that is guessed from a file, before anything is written."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from healing.errors import UsageError
from tasks.config.suggestion import did_you_mean
from tasks.ingestion.sources.contract_form import parse_times
from tasks.onboarding.column_types import guess_column
from tasks.onboarding.columns import ColumnGuess, TextColumn, plain_names
from tasks.onboarding.daily_rows import DailyRows, guess_daily_rows
from tasks.onboarding.distribution import Distribution, times_distribution
from tasks.onboarding.estimator import EstimatorGuess, guess_estimator
from tasks.onboarding.files import FileRows
from tasks.onboarding.label import LabelGuess, Task, guess_label
from tasks.onboarding.label_file import LabelFile, join_label_file
from tasks.onboarding.large_file import count_days, describe_keys, sample_rows
from tasks.onboarding.leakage import GivenAway, columns_giving_away
from tasks.onboarding.numbers import guess_decimal
from tasks.onboarding.times import READABLE_SHARE_MIN, guess_formats
from tasks.onboarding.windows import WindowsGuess, guess_windows
from tasks.runtime.progress import report_progress
from tasks.training.dataset import CLASS_ROWS_MIN, POSITIVES_MIN

if TYPE_CHECKING:
    import pandas as pd

_MISSING_SHARE_MAX = 0.05  # of keys or times: the limit of the default contract
_TRAIN_ROWS_MIN = 2 * POSITIVES_MIN  # for a quantity: as many as a classifier needs of both classes together


@dataclass(frozen=True, slots=True)
class OnboardingRequest:
    """What the user says: a name, a file, which of its columns are label, time and key, and optional hints."""

    name: str
    data: Path
    label: str
    time: str
    key: str
    task: Task | None = None
    positive: str | None = None
    dates: str | None = None
    labels: Path | None = None  # a file of its own with the labels, which come later


@dataclass(frozen=True, slots=True)
class PipelineDraft:
    """Everything that the folder's files are generated from. `key` is the pipeline's name for the key column."""

    request: OnboardingRequest
    rows: int
    key: str
    key_why: str
    time: ColumnGuess
    label: LabelGuess
    columns: tuple[ColumnGuess, ...]
    daily_rows: DailyRows
    windows: WindowsGuess
    estimator: EstimatorGuess
    encoding: str | None = None
    encoding_why: str = ""
    given_away: tuple[GivenAway, ...] = ()
    label_file: LabelFile | None = None
    label_distribution: Distribution | None = None
    profiled_rows: int | None = None  # None where all are

    @property
    def known_at(self) -> ColumnGuess:
        """The time at which a label became known: the row's own time, or that of the label's file."""
        return self.time if self.label_file is None else self.label_file.known_at

    @property
    def label_delay_days(self) -> int:
        """Days after which nearly all labels of a day are known."""
        return 0 if self.label_file is None else self.label_file.delays.days

    @property
    def inputs(self) -> tuple[ColumnGuess, ...]:
        """The columns that the model gets."""
        return tuple(column for column in self.columns if column.use)


def draft_pipeline(
    request: OnboardingRequest, whole: FileRows, labels: FileRows | None = None, rows_max: int | None = None
) -> PipelineDraft:
    """Guess everything from the rows of a file, and of a file with their labels, if they have one.

    If the file has more than `rows_max` rows and its own labels, columns are guessed from a sample of that size.
    UsageError if they do not allow a pipeline.
    """
    _check_named_columns(request, list(whole.names))
    is_sampled = rows_max is not None and len(whole) > rows_max and labels is None
    file = sample_rows(whole, rows_max, request.label) if is_sampled and rows_max is not None else whole
    columns = _TextColumns(file, request.label)
    key_why = _check_sampled_key(request.key, whole) if is_sampled else _check_key(request.key, file)
    time_text = columns[request.time]
    time = _guess_time(time_text, request.dates)
    when = parse_times(time_text.text, time.formats)
    time = replace(time, distribution=times_distribution(when))
    label_file, label_columns = None, columns
    if labels is not None:
        label_columns = _TextColumns(labels, request.label)
        label_file = join_label_file(label_columns, request.key, request.label, file.column(request.key), when)
    label_column = label_columns[request.label]
    label = guess_label(label_column, request.task, request.positive)
    label_text = label.plain(label_column.text)
    label_text = label_text if label_file is None else label_file.for_rows(label_text)
    days = when.dt.date
    rows_by_day = count_days(whole.pieces(request.time), time.formats) if is_sampled else Counter(days.dropna())
    daily_rows = guess_daily_rows(rows_by_day)
    labelled = days.notna() & label_text.notna() & days.map(daily_rows.whole, na_action="ignore").eq(True)
    labelled_by_day = Counter(days[labelled])
    if is_sampled:
        labelled_by_day = _scaled(labelled_by_day, Counter(days.dropna()), rows_by_day)
    windows = guess_windows(labelled_by_day, request.time, label.rarer_share(label_text[labelled]))
    _check_training_rows(label, label_text[labelled], days[labelled], windows, len(whole) / len(file))
    others = [name for name in file.names if name not in (request.key, request.time, request.label)]
    guesses = tuple(_guess_columns(columns, others, request.dates))
    _check_inputs(guesses)
    numbers = label.numbers(label_text)
    given_away = columns_giving_away(file.take, guesses, time, request.key, label_text if numbers is None else numbers)
    return PipelineDraft(
        request=request,
        rows=len(whole),
        key=columns.plain[request.key],
        key_why=key_why,
        time=time,
        label=label,
        columns=guesses,
        daily_rows=daily_rows,
        windows=windows,
        estimator=guess_estimator(label.output, windows.train_rows, len(label.classes)),
        encoding=file.encoding,
        encoding_why=file.encoding_why,
        given_away=given_away,
        label_file=label_file,
        label_distribution=label.distribution(label_text.dropna()),
        profiled_rows=len(file) if is_sampled else None,
    )


class _TextColumns(Mapping[str, TextColumn]):
    """The columns by their names in the file; each is read when it is needed, so that one is in memory at a time.

    In a file with semicolons, a comma is probably a decimal comma.
    """

    def __init__(self, file: FileRows, label: str) -> None:
        self._file = file
        self.plain = plain_names(file.names, label)
        decimal = guess_decimal(file.column(name) for name in file.names if name not in file.declared)
        self._decimal = "," if decimal is None and file.separator == ";" else decimal

    def __getitem__(self, name: str) -> TextColumn:
        text, declared = self._file.column(name), self._file.declared.get(name)
        return TextColumn(name, self.plain[name], text, declared, self._decimal)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.names)

    def __len__(self) -> int:
        return len(self._file.names)


def _guess_columns(columns: _TextColumns, names: Sequence[str], dates: str | None) -> Iterator[ColumnGuess]:
    """One guess per column, with progress."""
    for done, name in enumerate(names):
        report_progress("profile", done, len(names), "columns")
        yield guess_column(columns[name], dates)


def _check_named_columns(request: OnboardingRequest, columns: list[str]) -> None:
    wanted = {"--label": request.label, "--time": request.time, "--key": request.key}
    for option, name in wanted.items():
        elsewhere = option == "--label" and request.labels is not None
        if name not in columns and not elsewhere:
            raise UsageError(
                f"{option} {name!r} is not a column of {request.data.name}; columns are {', '.join(columns)[:300]}"
                f"{did_you_mean(name, columns)}"
            )
    if len(set(wanted.values())) < len(wanted):
        raise UsageError(
            f"expected --label, --time and --key to be three different columns, found "
            f"{', '.join(map(repr, wanted.values()))}; if no column identifies a row, add one that numbers the rows"
        )


def _check_key(column: str, file: FileRows) -> str:
    """A description of the key. UsageError unless it identifies each row."""
    key = file.column(column)
    missing = float(key.isna().mean())
    if missing > _MISSING_SHARE_MAX:
        raise UsageError(
            f"key {column!r}: expected a value in every row, found none in {missing:.0%} of {len(file)} rows; name "
            "another column"
        )
    repeated = key.notna() & key.duplicated()
    among = key.index[key.notna() & key.duplicated(keep=False)]
    copies = int(file.take(among).duplicated().sum()) if len(among) else 0
    if repeated.sum() > copies:
        example = key[repeated].iloc[0]
        raise UsageError(
            f"key {column!r}: expected a different value in each row, found {int(repeated.sum())} of {len(file)} rows "
            f"that repeat a value ({example!r} occurs {int((key == example).sum())} times); name a column that "
            "identifies each row, or add one"
        )
    distinct = f"{int(key.nunique())} different values in {len(file)} rows"
    parts = [f"{distinct}, {copies} exact copies of rows count once" if copies else distinct]
    if missing:
        parts.append(f"{missing:.1%} missing, which are quarantined")
    return "; ".join(parts)


def _check_sampled_key(column: str, whole: FileRows) -> str:
    """As `_check_key`, for all rows of a file that is too large for it."""
    missing, copies = describe_keys(whole, column)
    if missing > _MISSING_SHARE_MAX * len(whole):
        raise UsageError(
            f"key {column!r}: expected a value in every row, found none in {missing} of {len(whole)} rows; name "
            "another column"
        )
    parts = [f"{len(whole) - missing - copies} different values in {len(whole)} rows"]
    parts += [f"{copies} exact copies of rows count once"] if copies else []
    parts += [f"{missing / len(whole):.1%} missing, which are quarantined"] if missing else []
    return "; ".join(parts)


def _scaled(labelled: Counter[date], sampled: Counter[date], rows: Counter[date]) -> Counter[date]:
    """The number of labelled rows by day, from their share of the sample's rows."""
    counts = {day: round(rows[day] * count / sampled[day]) for day, count in labelled.items()}
    return Counter({day: count for day, count in counts.items() if count})


def _guess_time(column: TextColumn, dates: str | None) -> ColumnGuess:
    name = column.source_name
    if column.missing_share > _MISSING_SHARE_MAX:
        raise UsageError(
            f"time {name!r}: expected a time in every row, found none in {column.missing_share:.0%} of the rows; name "
            "another column"
        )
    found = guess_formats(column.text, dates)
    if found is None:
        raise UsageError(
            f"time {name!r}: expected times as ISO 8601, 31/12/2013, 12/31/2013, 31 Dec 2013 or seconds since 1970 in "
            f"{READABLE_SHARE_MIN:.0%} of the rows, found for example {str(column.known.iloc[0])!r}"
        )
    if found.ambiguous is not None:
        raise UsageError(
            f"time {name!r}: expected at least one date that shows whether day or month comes first, found only dates "
            f"such as {found.ambiguous!r}; set --dates day-first or --dates month-first"
        )
    why = f"format {' or '.join(found.formats) or 'ISO 8601'}; UTC where no time zone is given"
    return ColumnGuess(name, column.name, "timestamp", use=False, required=True, why=why, formats=found.formats)


def _check_training_rows(
    label: LabelGuess, text: "pd.Series[str]", days: "pd.Series[date]", windows: WindowsGuess, scale: float
) -> None:
    """UsageError unless the first training has enough rows. Each row stands for `scale` rows of the file."""
    train = text[((days >= windows.train_from) & (days <= windows.train_until)).to_numpy()]
    if label.output == "value":
        if len(train) * scale < _TRAIN_ROWS_MIN:
            raise UsageError(
                f"expected {_TRAIN_ROWS_MIN} labelled rows to train on, found {len(train)} before the last "
                f"{windows.holdout_days} days; collect more rows"
            )
        return
    counts = {name: round(count * scale) for name, count in label.class_counts(train).items()}
    needed = CLASS_ROWS_MIN if label.classes else POSITIVES_MIN
    if min(counts.values()) < needed:
        few = {name: count for name, count in counts.items() if count < needed} if label.classes else counts
        found = " and ".join(f"{count} {name}" for name, count in few.items())
        instead = "; remove the rows of a rare class, merge it with another, or set --positive" if label.classes else ""
        raise UsageError(
            f"label {label.source_name!r}: expected {needed} rows of each class to train on, found {found} before the "
            f"last {windows.holdout_days} days; collect more rows{instead}"
        )


def _check_inputs(columns: tuple[ColumnGuess, ...]) -> None:
    if not any(column.use for column in columns):
        why = "; ".join(f"{column.source_name}: {column.why}" for column in columns) or "there is no other column"
        raise UsageError(f"expected a column to learn from besides key, time and label, found none: {why[:300]}")
