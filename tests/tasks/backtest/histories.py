"""Toy histories for the tests of the backtest: sixty usual days, then days under the reversed law."""

from datetime import date
from pathlib import Path

from tasks.backtest.run import BacktestRequest
from tests.toy import PIPELINE, PIPELINES_DIR, day_of, reversed_law, write_days

CHANGE, DAYS = 60, 100
FIRST_SERVED = day_of(50)


def changed_lake(root: Path) -> Path:
    """A lake whose law is reversed after `CHANGE` days."""
    write_days(root, 0, CHANGE)
    write_days(root, CHANGE, DAYS - CHANGE, law=reversed_law)
    return root


def request(root: Path, *, since: date | None = FIRST_SERVED, processes: int = 1) -> BacktestRequest:
    """A backtest of the toy pipeline with its lake and its fits under `root`."""
    return BacktestRequest(
        pipeline=PIPELINE,
        pipelines_dir=PIPELINES_DIR,
        lake_root=root / "lake",
        folder=root / "fits",
        since=since,
        processes=processes,
    )
