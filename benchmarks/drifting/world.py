"""A stream as the history of a pipeline, and its backtest."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.drifting.streams import FIRST, OUTCOME, Stream
from benchmarks.result import PROJECT
from tasks.backtest.fit_store import FitStore
from tasks.backtest.history import History
from tasks.backtest.report import BacktestReport
from tasks.backtest.run import BacktestRequest, plan_backtest, replay_all
from tasks.config.pipeline import Pipeline, Prediction, load_pipeline
from tasks.evaluation.labels import day_end, label_source
from tasks.lake.columns import ASKED_AT, BATCH_DAY
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    from datetime import date

PIPELINES = PROJECT / "benchmarks" / "drifting" / "pipelines"
FIRST_SERVED = 57  # the first model has 42 training days and 14 held-out days


def pipeline_of(stream: Stream) -> Pipeline:
    """The pipeline of the stream."""
    pipeline = load_pipeline("stream", PIPELINES)
    if stream.is_class:
        return pipeline
    changes = {"prediction": Prediction(output="value"), "estimator_path": "benchmarks.drifting.model:build_regressor"}
    return pipeline.model_copy(update=changes)


def history_of(stream: Stream) -> History:
    """The stream's rows and labels, as a lake would have them."""
    pipeline = pipeline_of(stream)
    source = label_source(pipeline, Path())
    last: date = stream.rows[BATCH_DAY].iloc[-1]
    plan = TrainingPlan(
        pipeline=stream.name,
        train_from=FIRST,
        train_until=last,
        until=last,
        as_of=day_end(last, source.zone),
        features_version=0,
        labels_version=0,
        estimator=pipeline.estimator_path,
        estimator_sha256="",
        rows_min=pipeline.retrain.rows_min,
        requirements_sha256="",
        rows_max=pipeline.retrain.rows_max,
        holdout_rows_max=pipeline.retrain.holdout_rows_max,
        output=pipeline.prediction.output,
    )
    rows = stream.rows.drop(columns=OUTCOME)
    labels = stream.rows[["id", OUTCOME]].assign(known_at=stream.rows[ASKED_AT])
    return History(pipeline, source, plan, rows, labels)


def backtest(stream: Stream, folder: Path) -> BacktestReport:
    """Replay all policies on the stream in this process; `folder` keeps the fits."""
    fits = FitStore(folder, history_of(stream))
    request = BacktestRequest("stream", PIPELINES, Path(), folder)
    served = replace(request, since=FIRST.fromordinal(FIRST.toordinal() + FIRST_SERVED))
    return replay_all(fits, plan_backtest(fits, served))
