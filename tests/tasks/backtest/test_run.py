"""Backtests of a small lake: what the policies did, what was found of them, and what a killed run leaves."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.result import PROJECT
from healing.errors import Conflict, StoreUnavailable, UsageError
from tasks.backtest.fit_store import FitStore
from tasks.backtest.history import History
from tasks.backtest.run import _workers, plan_backtest, run_backtest
from tasks.runtime.file_locks import exclusive
from tests.tasks.backtest.histories import CHANGE, DAYS, FIRST_SERVED, changed_lake, request
from tests.toy import ROWS_PER_DAY, day_of, toy_pipeline, write_days


def quiet(*_):
    """Show no progress."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    root = tmp_path_factory.mktemp("backtest")
    changed_lake(root / "lake")
    return root


@pytest.fixture(scope="module")
def report(lake):
    return run_backtest(request(lake), quiet)


def stored(root: Path) -> dict[str, int]:
    """Each stored fit with the time at which its model was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (root / "fits").glob("*/*/model.skops")}


def test_all_policies_are_scored_on_the_same_rows(report):
    names = [policy.name for policy in report.policies]
    schedules = ["every_7_days", "every_14_days", "every_28_days"]
    rivals = ["never", "random", *schedules, "every_alarm", "adwin", "cara_threshold", "cara_cumulative"]
    assert names == [*rivals, "ours", "ours_at_price", "ours_without_returns", "ours_on_drops"]
    assert (report.first_day, report.last_day) == (FIRST_SERVED, day_of(DAYS - 1))
    assert report.rows == report.scored_rows == (DAYS - 50) * ROWS_PER_DAY


def test_a_schedule_retrains_on_its_days_and_gains_after_the_change(report):
    never, weekly = report.policy("never"), report.policy("every_7_days")
    assert (never.retrains, never.promotions) == (0, 0)
    assert weekly.trained_on == tuple(day_of(49 + 7 * n) for n in range(1, 8))
    assert weekly.loss < never.loss - 0.1
    assert weekly.losses_by_week[0] == never.losses_by_week[0]  # the first model serves in both


def test_a_drop_of_quality_leads_to_retrains_before_the_end(report):
    drops = report.policy("ours_on_drops")
    assert drops.retrains > 0
    assert all(day > day_of(CHANGE) for day in drops.trained_on)
    assert drops.promotions <= drops.retrains


def test_inputs_without_drift_start_no_retraining_by_alarm(report):
    assert report.policy("every_alarm").loss == report.policy("never").loss


def test_adwin_retrains_after_the_change_only(report):
    adwin = report.policy("adwin")
    assert adwin.retrains > 0
    assert all(day >= day_of(CHANGE) for day in adwin.trained_on)
    assert adwin.loss < report.policy("never").loss


def test_random_days_are_as_many_as_those_of_our_schedule(report):
    assert report.policy("random").retrains == 3  # each 14 days of 50


def test_a_policy_that_knows_the_price_retrains_less_often_at_a_higher_one(report):
    for name in ("cara_threshold", "cara_cumulative", "ours_at_price"):
        retrains = report.policy(name).retrains_at_prices
        assert retrains[-1] <= retrains[0], name
    assert report.policy("ours_at_price").retrains == report.policy("ours").retrains  # the lowest price postpones none
    assert report.policy("ours_at_price").cost_area <= report.policy("ours").cost_area


def test_no_fixed_schedule_costs_less_than_the_optimum_at_any_price(report):
    for policy in report.policies:
        if policy.name == "never" or policy.name.startswith("every_"):
            assert all(cost >= best - 1e-9 for cost, best in zip(policy.costs, report.optimum.costs, strict=True)), (
                policy.name
            )
            assert policy.loss >= report.optimum.loss - 1e-9
            assert policy.cost_area_over_optimum >= 1 - 1e-9
    assert report.optimum.retrains[0] > 0
    assert report.optimum.retrains[-1] <= 1
    assert list(report.optimum.retrains) == sorted(report.optimum.retrains, reverse=True)


def test_the_suggestion_names_the_setting_and_its_interval(report):
    found = report.policy("ours").more_than_configured
    assert report.configured == "ours_on_drops"
    assert "retrain.every_days: 14" in report.suggestion
    assert f"{found.lower:+.4f} to {found.upper:+.4f}" in report.suggestion


def test_a_second_run_fits_nothing_again_and_ends_with_the_same_report(lake, report):
    before = stored(lake)
    assert run_backtest(request(lake), quiet) == report
    assert stored(lake) == before


def test_another_lake_version_discards_the_fits(tmp_path, lake):
    stale = tmp_path / "fits" / "1-1" / "digest"
    stale.mkdir(parents=True)
    run_backtest(replace(request(lake, since=day_of(90)), folder=tmp_path / "fits"), quiet)
    assert not stale.exists()


def test_a_damaged_fit_is_fitted_again(lake, report):
    damaged = next((lake / "fits").glob("*/*/model.skops"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert run_backtest(request(lake), quiet) == report


def kill_while_it_fits(root: Path, days: int) -> None:
    """Start a real process with two workers, and kill it once it has finished the fits of some days."""
    command = [sys.executable, "-m", "tests.tasks.backtest.killable", str(root)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:  # ends when the process dies by itself
            if line.startswith("fitting") and int(line.split()[1]) >= days:
                break
        process.kill()
        rest = process.stdout.read()  # the end of the pipe: the workers have ended as well
    assert process.returncode == -signal.SIGKILL
    assert "replaying" not in rest


def test_a_killed_run_continues_and_ends_with_the_same_report(tmp_path, lake, report):
    (tmp_path / "lake").symlink_to(lake / "lake")
    kill_while_it_fits(tmp_path, days=2)
    finished = stored(tmp_path)
    assert 2 <= len(finished) < len(stored(lake))
    shown = []
    assert run_backtest(request(tmp_path), lambda *step: shown.append(step)) == report
    assert next(done for what, done, _ in shown if what == "fitting") >= 2
    assert finished.items() <= stored(tmp_path).items()


def test_two_backtests_of_one_pipeline_do_not_run_at_once(lake):
    with (
        exclusive(lake / "fits" / "backtest.lock", seconds_max=1),
        pytest.raises(Conflict, match="another backtest of toy is running"),
    ):
        run_backtest(request(lake), quiet)


@pytest.mark.parametrize(("since", "until"), [(day_of(0), None), (day_of(98), None), (day_of(60), day_of(62))])
def test_days_outside_of_the_lake_are_refused(lake, since, until):
    with pytest.raises(UsageError, match="expected 7 days or more to replay"):
        run_backtest(replace(request(lake, since=since), until=until), quiet)


@pytest.mark.parametrize(
    ("rows_min", "start"),
    [(500, day_of((DAYS - 1) // 4)), (30 * ROWS_PER_DAY, day_of(29 + 14))],
    ids=["a quarter of the days", "the first day with enough rows"],
)
def test_without_a_first_day_the_replay_begins_when_a_model_can_be_trained(lake, rows_min, start):
    history = History.read(toy_pipeline(), lake / "lake")
    history = replace(history, plan=replace(history.plan, rows_min=rows_min))
    assert plan_backtest(FitStore(lake / "fits", history), request(lake, since=None)).period.start == start


def test_a_worker_that_is_killed_is_reported():
    with pytest.raises(StoreUnavailable, match="--processes 1"), _workers(2) as results_of:
        list(results_of([partial(os._exit, 9)]))


def test_days_without_labels_are_refused(tmp_path):
    write_days(tmp_path / "lake", 0, 60)
    write_days(tmp_path / "lake", 60, 20, labels=False)
    with pytest.raises(UsageError, match="expected labelled rows on 7 days"):
        run_backtest(request(tmp_path, since=day_of(61)), quiet)


def test_an_empty_lake_is_refused(tmp_path):
    with pytest.raises(StoreUnavailable, match="ingest a day first"):
        run_backtest(request(tmp_path), quiet)
