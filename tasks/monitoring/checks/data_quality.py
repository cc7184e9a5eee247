"""Faults of values in the window's features, and what of the batches behind them was not let in."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from healing.data_quality import CHECK as DATA
from healing.data_quality import DataRule, Fault, FaultShare, Intake, judge_batches, judge_data
from releases.manifest import ReferenceProfile
from tasks.evaluation.labels import read_features
from tasks.lake.columns import BATCH_DAY
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.monitoring.checks.drift import block_numbers
from tasks.monitoring.monitored_model import Judged, Subject
from tasks.monitoring.windows import DayRange

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Faulty = NDArray[np.bool_]  # shape (rows,)


def judge_data_window(subject: Subject) -> Judged:
    """Missing, unseen and wild values of the newest window, against the blocks of the reference."""
    days = subject.rules.window_days
    windows = subject.windows(days, 1)
    if not windows:
        return subject.too_new(DATA, days)
    [window] = windows
    rows = read_features(subject.labels.lake_root, subject.labels.key, window.since, window.until)
    rule = DataRule(rows_min=subject.rules.rows_min, rise_tolerated=subject.rules.missing_increase_tolerated)
    return Judged(window, judge_data(fault_shares(subject, rows), len(rows), rule))


def fault_shares(subject: Subject, rows: "pd.DataFrame") -> tuple[FaultShare, ...]:
    """How often each fault occurs in `rows` and in each block of the reference, one as long as a window."""
    reference = subject.reference
    block = block_numbers(reference[BATCH_DAY], subject.rules.window_days)
    blocks = [block == number for number in range(int(block.max(initial=-1)) + 1)]
    profile = subject.model.manifest.reference
    usual = dict(_faulty(reference, profile))
    return tuple(
        FaultShare(
            column=column,
            fault=fault,
            now=float(now.mean()) if len(now) else 0.0,
            blocks=tuple(float(usual[column, fault][inside].mean()) for inside in blocks if inside.any()),
        )
        for (column, fault), now in _faulty(rows, profile)
    )


def batches_of_window(records: list[BatchRecord], window: DayRange, share_tolerated: float) -> Judged | None:
    """The batches of the window's days by the ledger; None where it knows of no batch at all."""
    if not records:
        return None
    mine = [record for record in records if window.since <= record.day <= window.until]
    intakes = [_intake(table, [record for record in mine if record.table == table]) for table in _tables(records)]
    return Judged(window, judge_batches(intakes, share_tolerated))


def _tables(records: list[BatchRecord]) -> list[str]:
    return sorted({record.table for record in records})


def _intake(table: str, records: list[BatchRecord]) -> Intake:
    return Intake(
        table=table,
        batches=len(records),
        rejected=sum(record.status is BatchStatus.REJECTED for record in records),
        rows=sum(record.received for record in records),
        kept_out=sum(record.quarantined for record in records),
    )


def _faulty(rows: "pd.DataFrame", profile: ReferenceProfile) -> Iterator[tuple[tuple[str, Fault], "Faulty"]]:
    """Which rows have which fault; what counts as seen and as in range is what the model learned from."""
    for column, numbers in profile.numeric.items():
        values = rows[column].to_numpy(dtype=float, na_value=float("nan"))
        yield (column, Fault.MISSING), values != values  # noqa: PLR0124 - NaN
        if numbers.quantiles:
            low, high = numbers.quantiles[0], numbers.quantiles[-1]
            yield (column, Fault.OUTSIDE), (values < low - (high - low)) | (values > high + (high - low))
    for column, shares in profile.categorical.items():
        missing = rows[column].isna()
        yield (column, Fault.MISSING), missing.to_numpy()
        yield (column, Fault.UNSEEN), (~missing & ~rows[column].isin(list(shares))).to_numpy()
