"""Latency of an estimator: the time in which a gateway's worker would answer one row, and the usual batch.

It is measured in this process, by the worker's own path from columns of JSON values to answers
(`releases.short_path`). The figure is the smallest processor time of repeated calls. Another program on the machine
makes a call last longer, and almost never shorter, so the smallest is the least disturbed one. On a machine with four
busy programs per core, the smallest elapsed time of a call of 15 ms was between 13 and 36 ms in repeated measurements,
its smallest processor time between 13 and 15 ms. What an estimator waits for (a sleep, a file) does not count.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from releases.manifest import InputSchema
from releases.output import Output
from releases.short_path import Columns, ServedEstimator
from tasks.evaluation.predictions import is_known
from tasks.training.comparison import Comparison, ComparisonOutcome
from tasks.training.golden import golden_rows, json_row
from tasks.training.inference import predict_or_nan

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 64  # what a gateway collects for 64 clients at a time
CALLS, CALLS_MIN, SECONDS_MAX = 20, 5, 0.3  # of each size; the time ends a slow estimator's calls sooner
BUDGET = "the latency budget"  # what a comparison with it is called


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds in which an estimator answers one row, and a batch of `BATCH_ROWS` rows."""

    row_ms: float
    batch_ms: float

    @property
    def ms(self) -> float:
        """What the budget limits: a request that shares its batch with others waits for the whole batch."""
        return max(self.row_ms, self.batch_ms)


def measure_latency(
    estimator: Any, inputs: "pd.DataFrame", schema: InputSchema, output: Output | None
) -> Latency | None:
    """The latency on the first rows of `inputs`; None where the estimator predicts none of them."""
    batch = inputs.iloc[:BATCH_ROWS]
    predictions = predict_or_nan(estimator, batch)
    known = batch[is_known(predictions)]
    if not len(known):
        return None
    golden = golden_rows(estimator, output, schema, batch, predictions)
    answer = ServedEstimator(estimator, schema, golden, output).shortest_answer()
    return Latency(
        row_ms=_smallest_ms(answer, _columns(known.iloc[:1], schema)),
        batch_ms=_smallest_ms(answer, _columns(known, schema)),
    )


def compare_with_budget(latency: Latency | None, latency_ms_max: float) -> Comparison | None:
    """A comparison that blocks the candidate where it is slower than the budget allows; None where it is not."""
    if latency is None or latency.ms <= latency_ms_max:
        return None
    reason = (
        f"latency over budget: one row takes {latency.row_ms:.2f} ms and {BATCH_ROWS} rows take "
        f"{latency.batch_ms:.2f} ms, retrain.search.latency_ms_max allows {latency_ms_max:g} ms"
    )
    return Comparison.without_gain(BUDGET, ComparisonOutcome.WORSE, BATCH_ROWS, reason, blocks=True)


def _columns(rows: "pd.DataFrame", schema: InputSchema) -> Columns:
    whole = [column.type == "long" for column in schema.columns]
    json_rows = [json_row(row, whole) for row in rows.itertuples(index=False, name=None)]
    return [list(column) for column in zip(*json_rows, strict=True)]


def _smallest_ms(answer: Callable[[Columns], Any], columns: Columns) -> float:
    answer(columns)  # the first call is slower than the rest
    started, found = time.perf_counter(), list[float]()
    while len(found) < CALLS and (len(found) < CALLS_MIN or time.perf_counter() - started < SECONDS_MAX):
        before = time.process_time()
        answer(columns)
        found.append(time.process_time() - before)
    return 1000 * min(found)
