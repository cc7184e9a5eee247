"""Labels that come later, in a file of their own: joined to the rows by key, with the distribution of their delay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from healing.errors import UsageError
from tasks.ingestion.sources.contract_form import parse_times
from tasks.onboarding.columns import ColumnGuess, TextColumn
from tasks.onboarding.times import guess_formats

if TYPE_CHECKING:
    import pandas as pd

_MATCHED_SHARE_MIN = 0.05  # of the labels: with fewer, the files have different keys
_DELAYED_SHARE = 0.95  # of the labels that must have arrived before a day is compared on


@dataclass(frozen=True, slots=True)
class LabelDelays:
    """How late labels are, in days after the row's time: half, 95 % and all of them; and the share of labelled rows."""

    median: float
    most: float
    last: float
    labelled_share: float

    @property
    def days(self) -> int:
        """Whole days after which a day's labels are nearly complete."""
        return max(0, int(self.most) + 1)

    def __str__(self) -> str:
        return (
            f"half of the labels come within {self.median:.3g} days, 95 % within {self.most:.3g}, the last after "
            f"{self.last:.3g}; {self.labelled_share:.0%} of the rows have one"
        )


@dataclass(frozen=True)
class LabelFile:
    """The label's column in its own file, the time at which each became known, and the labels of the rows."""

    known_at: ColumnGuess
    of_rows: "pd.Series[Any]"  # positions in the label file, in the order of the rows; NaN without a label
    delays: LabelDelays

    def for_rows(self, text: "pd.Series[str]") -> "pd.Series[str]":
        """A column of the label file, for each row of the data file."""
        return self.of_rows.map(text.reset_index(drop=True)).astype(object)


def join_label_file(
    columns: Mapping[str, TextColumn], key: str, label: str, row_keys: "pd.Series[str]", row_times: "pd.Series[Any]"
) -> LabelFile:
    """The labels of the rows with these keys and times. UsageError if the file has no key, label, time, or known key.

    Of several labels of a key, the one that became known last counts.
    """
    import pandas as pd

    for option, name in (("--key", key), ("--label", label)):
        if name not in columns:
            raise UsageError(f"{option} {name!r} is not a column of the labels; columns are {', '.join(columns)[:300]}")
    known_at = _known_at([column for name, column in columns.items() if name not in (key, label)])
    times = parse_times(columns[known_at.source_name].text, known_at.formats).reset_index(drop=True)
    keys = columns[key].text.reset_index(drop=True)
    known = columns[label].text.notna().reset_index(drop=True) & times.notna()
    last = (
        pd.DataFrame({"key": keys, "at": times})[known]
        .sort_values("at", kind="stable")
        .drop_duplicates("key", keep="last")
    )
    places = row_keys.map(pd.Series(last.index, index=last["key"]))
    if places.notna().sum() < _MATCHED_SHARE_MIN * len(last):
        raise UsageError(
            f"key {key!r}: expected labels of the rows of --data, found {int(places.notna().sum())} of {len(last)} "
            f"labels with a row; the rows have keys such as {row_keys.iloc[0]!r}, the labels such as {keys.iloc[0]!r}"
        )
    waited = (places.map(times) - row_times).dt.total_seconds().dropna() / 86_400
    most = float(waited.quantile(_DELAYED_SHARE))
    delays = LabelDelays(float(waited.median()), most, float(waited.max()), float(places.notna().mean()))
    return LabelFile(known_at, places, delays)


def _known_at(columns: list[TextColumn]) -> ColumnGuess:
    """The time at which labels became known: the only column of times."""
    found = [(column, guess_formats(column.text)) for column in columns if not column.known.empty]
    times = [(column, guess) for column, guess in found if guess is not None and guess.ambiguous is None]
    if len(times) != 1:
        names = ", ".join(repr(column.source_name) for column, _ in times) or "none"
        raise UsageError(
            f"expected one column of --labels with the time at which each label became known, found {names}; leave one "
            "such column in the file"
        )
    column, guess = times[0]
    why = "when the label became known; UTC where no time zone is given"
    name = column.source_name
    return ColumnGuess(name, column.name, "timestamp", use=False, required=True, why=why, formats=guess.formats)
