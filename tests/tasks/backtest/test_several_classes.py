"""A backtest of a label of three classes: the policies are scored by its log-loss, and a change of the law is found."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from tasks.backtest.run import BacktestRequest, run_backtest
from tests import toy

DAYS, CHANGE, FIRST_SERVED = 84, 66, 60


def write_classes(root: Path) -> None:
    """The toy pipeline and its lake, with the classes 0, 1 and 2 in the order of x; reversed from day `CHANGE` on."""
    shutil.copytree(toy.PIPELINES_DIR, root / "pipelines")
    config = root / "pipelines" / toy.PIPELINE / "pipeline.yaml"
    wanted = "known_at: known_at, classes: [0, 1, 2]}\nprediction: {output: probabilities}\n"
    config.write_text(config.read_text().replace("known_at: known_at}\n", wanted, 1))
    rows = pd.concat([toy._rows(day, 0.0, 0) for day in range(DAYS)], ignore_index=True)
    order = rows["x"].where(rows["event_day"] < toy.day_of(CHANGE), -rows["x"])
    classes = np.digitize(order + np.random.default_rng(1).normal(0, 0.5, len(rows)), [-0.5, 0.5])
    outcomes = rows[["id", "event_day"]].assign(known_at=rows["asked_at"] + pd.Timedelta(hours=3), late=classes)
    for name, frame, schema in (("features", rows, toy._FEATURES), ("outcomes", outcomes, toy._OUTCOMES)):
        path = root / "lake" / name
        path.parent.mkdir(exist_ok=True)
        write_deltalake(path, pa.Table.from_pandas(frame, schema=schema, preserve_index=False))


def test_policies_are_scored_by_the_log_loss_of_all_classes(tmp_path):
    write_classes(tmp_path)
    request = BacktestRequest(
        pipeline=toy.PIPELINE,
        pipelines_dir=tmp_path / "pipelines",
        lake_root=tmp_path / "lake",
        folder=tmp_path / "fits",
        since=toy.day_of(FIRST_SERVED),
        processes=1,
    )
    report = run_backtest(request, lambda *_: None)
    assert (report.measure, report.unit, report.rows) == ("log-loss", "nats", (DAYS - FIRST_SERVED) * toy.ROWS_PER_DAY)
    losses = {policy.name: policy.loss for policy in report.policies}
    assert losses["never"] > np.log(3)  # of the shares; it is sure of the reversed order
    assert losses["adwin"] < losses["never"]
    assert losses["every_7_days"] < losses["never"]
