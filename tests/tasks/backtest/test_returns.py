"""The replay of a law that is reversed and comes back: the champion of the first law returns, as in the flow."""

from pathlib import Path

import pandas as pd

from tasks.backtest.fit_store import FitStore
from tasks.backtest.history import History
from tasks.backtest.policies import Period, ours
from tasks.backtest.scoring import Scoring
from tasks.evaluation.labels import day_end
from tasks.evaluation.losses import LogLoss
from tasks.training.plan import TrainingPlan
from tests.toy import day_of, labelled_days, reversed_law, toy_labels, toy_pipeline, usual

REVERSED, BACK, DAYS = 60, 102, 124
EVERY_DAYS = 14


def history():
    """Sixty days of one law, six weeks of the reversed one, and the first law again."""
    laws = [(0, REVERSED, usual), (REVERSED, BACK, reversed_law), (BACK, DAYS, usual)]
    days = pd.concat([labelled_days(since, end - since, law=law) for since, end, law in laws], ignore_index=True)
    source, last = toy_labels(Path()), day_of(DAYS - 1)
    plan = TrainingPlan(
        pipeline="toy",
        train_from=day_of(0),
        train_until=last,
        until=last,
        as_of=day_end(last, source.zone),
        features_version=0,
        labels_version=0,
        estimator=toy_pipeline().estimator_path,
        estimator_sha256="",
        rows_min=500,
        rows_max=100_000,
        holdout_rows_max=100_000,
        requirements_sha256="",
    )
    labels = days[["id"]].assign(late=days["label"], known_at=days["asked_at"] + pd.Timedelta(hours=3))
    return History(toy_pipeline(), source, plan, days.drop(columns="label"), labels)


def test_the_champion_of_a_law_that_is_back_returns_and_gains(tmp_path):
    fits, period = FitStore(tmp_path, history()), Period(day_of(REVERSED - 1), day_of(DAYS - 1))
    scoring = Scoring(fits, period, LogLoss())

    def loss(run):
        return float(scoring.losses(scoring.predictions(run))[scoring.inside].mean())

    run = ours(fits, period, every_days=EVERY_DAYS, earlier_max=5)
    without = ours(fits, period, every_days=EVERY_DAYS, earlier_max=0)
    assert (len(run.returned), without.returned) == (1, ())
    assert run.returned[0] >= day_of(BACK)
    back = next(each for each in run.served if each.since > run.returned[0])
    assert back.fit.until < day_of(REVERSED + EVERY_DAYS)  # it has learned the first law
    assert run.returned[0] in run.trained  # the fit to compare with counts as a retrain
    assert run.promoted == len(run.served) - 2
    assert loss(run) < loss(without)
