"""A file with more rows than fit into memory: which rows are profiled, and what is taken from all of them.

Columns are profiled on rows at about equal distances. Keys, days and the values of the label are those of all rows,
read a piece at a time: a repeated key, a day without rows or a rare class must not depend on the sample.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from healing.errors import UsageError
from tasks.ingestion.sources.contract_form import parse_times
from tasks.onboarding.files import FileRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BYTES_PER_ROW = 1_000  # of one column with its copies, as text and as numbers
_ROWS_MIN = 50_000  # that are profiled, however little memory is allowed
_LABEL_VALUES_MAX = 1_000  # with more different values, the label is a quantity
_REPEATED_COMPARED = 100_000  # rows with a repeated key that are examined for being copies
_SEED = 20130101


def profiled_rows_max(memory_bytes_max: int) -> int:
    """How many rows are profiled at most."""
    return max(_ROWS_MIN, memory_bytes_max // _BYTES_PER_ROW)


def sample_rows(file: FileRows, rows_max: int, label: str) -> FileRows:
    """About `rows_max` rows of the file: one at random of each stretch, and one of each value of the label."""
    import numpy as np

    within = np.random.default_rng(_SEED).random(rows_max)
    positions = ((np.arange(rows_max) + within) * (len(file) / rows_max)).astype("int64")
    return file.sample(np.union1d(positions, _first_of_each(file.pieces(label))))


def count_days(times: Iterable[pa.ChunkedArray], formats: tuple[str, ...]) -> Counter[date]:
    """The number of rows by day, of pieces of the column of times."""
    rows: Counter[date] = Counter()
    for piece in times:
        rows.update(parse_times(piece.to_pandas(), formats).dropna().dt.date.tolist())
    return rows


def describe_keys(file: FileRows, column: str) -> tuple[int, int]:
    """How many keys are missing, and how many rows are exact copies. UsageError where another row has the same key."""
    import numpy as np

    hashes, is_known = _key_hashes(file, column)
    repeated = np.flatnonzero(is_known)[_repeated(hashes[is_known])]
    if not len(repeated):
        return int((~is_known).sum()), 0
    rows = file.sample(repeated[:_REPEATED_COMPARED]).frame()
    if rows[column].duplicated().sum() > rows.duplicated().sum():
        example = rows.loc[rows[column].duplicated(keep=False) & ~rows.duplicated(keep=False), column].iloc[0]
        raise UsageError(
            f"key {column!r}: expected a different value in each row, found {len(repeated)} of {len(file)} rows "
            f"that share their value with another row (such as {example!r}); name a column that identifies each row, "
            "or add one"
        )
    return int((~is_known).sum()), len(repeated) - len(np.unique(hashes[repeated]))


def _key_hashes(file: FileRows, column: str) -> "tuple[NDArray[np.uint64], NDArray[np.bool_]]":
    """A hash of 64 bits per key, and whether the row has a key."""
    import numpy as np
    from pandas.util import hash_array

    hashes, is_known = np.empty(len(file), "uint64"), np.empty(len(file), "bool")
    start = 0
    for piece in file.pieces(column):
        texts = piece.to_pandas()
        end = start + len(texts)
        is_known[start:end] = texts.notna()
        hashes[start:end] = hash_array(texts.fillna("").to_numpy(dtype=object), categorize=False)
        start = end
    return hashes, is_known


def _repeated(hashes: "NDArray[np.uint64]") -> "NDArray[np.int64]":
    """The ascending positions of the hashes that occur more than once."""
    import numpy as np

    ordered = np.sort(hashes)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(again):
        return np.empty(0, "int64")
    return np.flatnonzero(np.isin(hashes, again))


def _first_of_each(labels: Iterable[pa.ChunkedArray]) -> "NDArray[np.int64]":
    """The position of the first row of each value; none where there are more than 1,000 values."""
    import numpy as np

    first: dict[str, int] = {}
    start = 0
    for piece in labels:
        texts = piece.combine_chunks() if isinstance(piece, pa.ChunkedArray) else piece
        for value in pc.unique(texts).to_pylist():
            if value is not None and value not in first:
                first[value] = start + pc.index(texts, value).as_py()
        if len(first) > _LABEL_VALUES_MAX:
            return np.empty(0, "int64")
        start += len(piece)
    return np.array(sorted(first.values()), "int64")
