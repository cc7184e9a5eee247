"""Batches of the window, by the ledger: whether too many of a table's rows were kept out of the lake."""

from collections.abc import Sequence
from dataclasses import dataclass

from healing.verdict import Outcome, Verdict
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.ledger.store import Ledger
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import WindowVerdict
from tasks.monitoring.windows import DayRange

CHECK = "batches"


@dataclass(frozen=True, slots=True)
class ReceivedRows:
    """What sources sent to one table for the days of a window, and how much of it was kept out of the lake."""

    table: str
    batches: int
    rejected: int
    rows: int
    kept_out: int

    @property
    def share_kept_out(self) -> float:
        return self.kept_out / self.rows if self.rows else 0.0


@monitor_check(Topic.DATA)
def check_batches(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """The batches of the newest window; nothing if the ledger has no batch at all."""
    model, config = context.model, context.pipeline
    with Ledger(context.settings.ledger_dsn) as ledger:
        records = ledger.batches(config.name)
    if not records:
        return ()
    days = model.rules.window_days
    window = next(iter(model.windows(days, 1)), model.too_new(CHECK, days).window)
    return (WindowVerdict(window, judge_batches(received_rows(records, window), config.contract.max_bad_share)),)


def judge_batches(tables: Sequence[ReceivedRows], share_tolerated: float) -> Verdict:
    """FAIL when more than the tolerated share of a table's rows was kept out; PASS needs batches of every table."""
    worst = max(tables, key=lambda table: table.share_kept_out, default=None)
    if worst is None or not all(table.rows for table in tables):
        silent = ", ".join(table.table for table in tables if not table.rows) or "any table"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, f"no rows on record for {silent}", 0)
    rows, share = sum(table.rows for table in tables), worst.share_kept_out
    reason = (
        f"{share:.1%} of {worst.rows} rows of {worst.table} kept out, {worst.rejected} of {worst.batches} batches "
        "rejected"
    )
    outcome = Outcome.FAIL if share > share_tolerated else Outcome.PASS
    return Verdict(CHECK, outcome, reason, rows, statistic=share, threshold=share_tolerated)


def received_rows(records: Sequence[BatchRecord], window: DayRange) -> list[ReceivedRows]:
    """The rows received for the days of the window, per table that the ledger knows."""
    tables = sorted({record.table for record in records})
    inside = [record for record in records if window.since <= record.day <= window.until]
    return [_received(table, [record for record in inside if record.table == table]) for table in tables]


def _received(table: str, records: Sequence[BatchRecord]) -> ReceivedRows:
    return ReceivedRows(
        table=table,
        batches=len(records),
        rejected=sum(record.status is BatchStatus.REJECTED for record in records),
        rows=sum(record.received for record in records),
        kept_out=sum(record.quarantined for record in records),
    )
