"""Warnings about columns that give the label away: by their values, by where they are missing, or by the keys' order.

Such a column makes a model that is good in the comparison and useless afterwards, if it becomes known only with the
label. Whether it does, the file cannot show; so a person is asked.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.ingestion.sources.contract_form import parse_times
from tasks.ingestion.sources.number_format import plain_numbers
from tasks.onboarding.columns import ColumnGuess

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Groups = NDArray[np.int64]  # shape (rows,)
    Targets = NDArray[np.float64]  # shape (rows, classes), or (rows, 1) for a quantity

TakeRows = Callable[["pd.Index[int]"], "pd.DataFrame"]

EXPLAINED_MIN = 0.9  # of the label's variance: hardly any column that is known beforehand explains as much by itself
ROWS_MAX = 20_000  # a random sample: the share is known to a percentage point
ROWS_MIN = 100
_GROUPS = 50  # of equal size, of a number
_TIME_EXPLAINED_MAX = 0.5  # a label that moves with time also moves with keys that count upwards
_SEED = 20130101


@dataclass(frozen=True, slots=True)
class GivenAway:
    """What gives the label away: a column, or the key. `explained` is the share of the label's variance."""

    column: str
    explained: float
    by_missing: bool = False
    is_key: bool = False


def columns_giving_away(
    take: "TakeRows", columns: Sequence[ColumnGuess], time: ColumnGuess, key: str, label: "pd.Series[Any]"
) -> tuple[GivenAway, ...]:
    """The columns of a file that explain nearly all of `label`, and the key if it does.

    `take` returns the text of the rows at some positions, by the file's names of the columns. `label` has a number
    per row for a quantity, and a text for a class; rows without a label are left out.
    """
    known = label.notna()
    if known.sum() < ROWS_MIN:
        return ()
    sampled = label[known].sample(min(ROWS_MAX, int(known.sum())), random_state=_SEED)
    sample, targets = take(sampled.index), _targets(sampled)
    when = parse_times(sample[time.source_name], time.formats)
    found = [_judge_column(column, sample[column.source_name], when, targets) for column in columns if column.use]
    return tuple([each for each in found if each is not None] + list(_judge_key(sample[key], key, when, targets)))


def explained_share(groups: "Groups", targets: "Targets") -> float:
    """The share of the targets' variance that the groups explain, measured on rows that the means are not of.

    The means are those of one half of the rows, which the caller has shuffled. So many small groups explain nothing by
    chance.
    """
    import numpy as np

    half = len(groups) // 2
    first, second = slice(None, half), slice(half, None)
    overall, count = targets[first].mean(axis=0), int(groups.max()) + 1
    rows = np.bincount(groups[first], minlength=count)
    sums = np.column_stack([np.bincount(groups[first], column, count) for column in targets[first].T])
    means = (sums + overall) / (rows + 1)[:, None]  # a group without rows has the overall mean
    variance = ((targets[second] - overall) ** 2).sum()
    return float(1 - ((targets[second] - means[groups[second]]) ** 2).sum() / variance) if variance else 0.0


def _judge_column(
    column: ColumnGuess, text: "pd.Series[str]", when: "pd.Series[Any]", targets: "Targets"
) -> GivenAway | None:
    import numpy as np

    values = _values(column, text, when)
    explained = explained_share(_groups(values), targets)
    if explained < EXPLAINED_MIN:
        return None
    missing = explained_share(np.asarray(values.isna(), dtype=np.int64), targets)
    return GivenAway(column.name, explained, by_missing=missing >= EXPLAINED_MIN)


def _judge_key(key: "pd.Series[str]", name: str, when: "pd.Series[Any]", targets: "Targets") -> Iterator[GivenAway]:
    """The key, if its order explains the label and time does not."""
    import pandas as pd

    numbers = pd.to_numeric(key, errors="coerce")
    order = (numbers if numbers.notna().all() else key).rank(method="first")
    explained = explained_share(_groups(order), targets)
    if (
        explained >= EXPLAINED_MIN
        and explained_share(_groups(when.rank(method="first")), targets) < _TIME_EXPLAINED_MAX
    ):
        yield GivenAway(name, explained, is_key=True)


def _values(column: ColumnGuess, text: "pd.Series[str]", when: "pd.Series[Any]") -> "pd.Series[Any]":
    """What the model gets: numbers, days before the event, or texts; missing where there is no value."""
    import pandas as pd

    if column.type == "timestamp":
        return (when - parse_times(text, column.formats)).dt.total_seconds()
    if column.type not in ("double", "long"):
        return text
    known = text.mask(text.isin(column.missing), None)
    plain = known if column.number_format is None else plain_numbers(known, column.number_format)
    return pd.to_numeric(plain, errors="coerce")


def _groups(values: "pd.Series[Any]") -> "Groups":
    """The group of each value, from 1: of equal size for numbers, one per text; 0 where the value is missing."""
    import numpy as np
    import pandas as pd

    if values.dtype.kind not in "fiu":
        return pd.factorize(values)[0].astype(np.int64) + 1
    numbers = values.to_numpy(dtype=np.float64)
    known = np.isfinite(numbers)
    groups = np.zeros(len(numbers), dtype=np.int64)
    if known.any():
        edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, _GROUPS + 1)[1:-1]))
        groups[known] = np.searchsorted(edges, numbers[known], side="right") + 1
    return groups


def _targets(label: "pd.Series[Any]") -> "Targets":
    """The label as columns: a quantity, or 1.0 in the column of each row's class."""
    import numpy as np
    import pandas as pd

    if label.dtype.kind == "f":
        return label.to_numpy(dtype=np.float64)[:, None]
    codes, classes = pd.factorize(label)
    return np.asarray(codes[:, None] == np.arange(len(classes)), dtype=np.float64)
