"""Each report shows what its result holds."""

from datetime import UTC, date, datetime

import pytest

from cli.render.console import print_parts
from cli.render.history import history_parts
from cli.render.ingest import ingest_parts
from cli.render.monitor import monitor_parts
from cli.render.release import rollout_parts
from cli.render.retrain import bootstrap_parts, retrain_parts
from cli.render.status import status_parts
from cli.report_lines import IncidentLine, ReleaseLine
from cli.stack_status import ServiceLine, StackStatus
from flows.ingest import IngestReport
from healing.ab_rules import Better, Ends
from healing.incident import Cause, Remedy, Status
from healing.release import Mode, Reason
from healing.trial_rules import TrialCheck
from healing.verdict import Outcome
from tasks.monitoring.diagnosis import Diagnosis
from tasks.monitoring.history import RecordedRun
from tasks.monitoring.report import MonitorReport, ReportedCheck
from tasks.rollout.ab_progress import ABProgress
from tasks.rollout.progress import CheckProgress, Phase, RolloutProgress
from tasks.rollout.retrain_outcome import RetrainOutcome, RetrainResult
from tasks.rollout.rollout_status import RolloutStatus
from tasks.training.comparison import Comparison, ComparisonOutcome
from tasks.training.earlier_champions import EarlierChampion

DAY = date(2013, 3, 1)
AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
RELEASE = ReleaseLine(AT, 3, Reason.CANARY, "release", "1.0.0", "1.1.0", 0.05, "it gains", ("0.9.0",), None)
INCIDENT = IncidentLine(
    AT, "1234567890", Cause.MODEL_SLOW, "a" * 64, Status.HEALING, (Remedy.RESTART_WORKER,), None, 4.0, ""
)


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def lines_of(capsys):
    """The lines of a report in a pipe, with single spaces."""

    def read(parts):
        print_parts(parts)
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return read


def stack(**changes):
    service = ServiceLine("gateway", alive=True, pid=7, restarts=2, state="healthy")
    found = {
        "up": True,
        "addresses": {"gateway": "http://127.0.0.1:1", "mlflow_tracking_uri": "sqlite://"},
        "services": (service,),
        "release": RELEASE,
        "serving": 3,
        "problems": (),
        "incidents": (),
    }
    return StackStatus(**{**found, **changes})


def test_a_healthy_stack(lines_of):
    lines = lines_of(status_parts("flights", stack()))
    assert lines[0] == "flights: the stack is healthy"
    assert lines[1:3] == ["champion 1.0.0", "on trial 1.1.0 (canary) on 5.0% of the requests"]
    assert "gateway http://127.0.0.1:1" in lines
    assert "mlflow sqlite://" in lines
    assert lines[-1] == "gateway healthy 7 2"


def test_a_stack_with_problems(lines_of):
    dead = ServiceLine("healer", alive=False, pid=8, restarts=0, state="healthy")
    found = stack(
        services=(dead,), serving=2, problems=("model_slow: 5 deaths",), incidents=(INCIDENT,), paused="paused by ann"
    )
    lines = lines_of(status_parts("flights", found))
    assert lines[0] == "flights: the stack is not healthy"
    assert any("the gateway serves generation 2" in line for line in lines)
    assert "paused paused by ann" in lines
    assert "healer dead 8 0" in lines
    assert "model_slow: 5 deaths" in lines
    assert lines[-1].startswith("12345678 ")
    assert lines[-1].endswith("healing model_slow aaaaaaaaaaaa restart_worker")


def test_a_stack_that_is_down(lines_of):
    [line, *_] = lines_of(
        status_parts("flights", stack(up=False, services=(), release=None, serving=None, addresses={}))
    )
    assert line == "flights: the stack is down (start it with `autopilot up`)"


def reported(check, outcome, reason="a reason"):
    return ReportedCheck(
        check=check,
        outcome=outcome,
        reason=reason,
        observations=420,
        statistic=0.5,
        threshold=None,
        window_from=DAY,
        window_until=DAY,
    )


def test_a_monitor_run_has_one_row_per_check_with_its_earlier_windows(lines_of):
    report = MonitorReport(
        pipeline="flights",
        until=DAY,
        version="1.0.0",
        digest="d",
        diagnosis=Diagnosis.CONCEPT_SHIFT,
        because="quality: worse",
        checks=(reported("quality", Outcome.FAIL), reported("volume", Outcome.PASS), reported("quality", Outcome.PASS)),
        drained=0,
        label_coverage=0.5,
        incident_id="i-1",
        renewal_due=True,
    )
    lines = lines_of(monitor_parts(report))
    assert lines[0] == "flights: champion 1.0.0 on 2013-03-01: concept shift"
    assert "because quality: worse" in lines
    assert "labels for 50.0% of the predictions" in lines
    assert "incident i-1" in lines
    passed = report.model_copy(update={"diagnosis": Diagnosis.NOTHING})
    assert lines_of(monitor_parts(passed))[0] == "flights: champion 1.0.0 on 2013-03-01: all checks passed"
    assert lines[-2:] == [
        "quality FAIL 0.5 - 420 a reason (2013-03-01 to 2013-03-01; before that pass)",
        "volume PASS 0.5 - 420 a reason (2013-03-01 to 2013-03-01)",
    ]


def ingested(**changes):
    found = {
        "pipeline": "flights",
        "since": DAY,
        "until": DAY,
        "batches": 2,
        "rows": {"received": 10, "accepted": 8, "quarantined": 2, "duplicates": 0},
        "feature_rows": 8,
        "repaired": (),
        "quarantined": tuple(f"rows/{n}" for n in range(12)),
        "rejected": (),
        "revised": (),
        "seconds": 1.25,
    }
    return IngestReport.model_validate({**found, **changes})


def test_an_ingest_names_the_first_batches_in_quarantine(lines_of):
    lines = lines_of(ingest_parts(ingested()))
    assert lines[0] == "flights: ingested 8 rows of 2 batches"
    assert "quarantined 2 rows" in lines
    assert any(line.endswith("rows/9 and 2 more") for line in lines)
    assert "days no day was missing" in lines_of(ingest_parts(ingested(since=None, until=None)))


def trained():
    win = Comparison("the base rate", ComparisonOutcome.WIN, 1_200, 20, 0.1803, 0.1585, 0.2020, "it gains")
    unsure = Comparison.without_gain(
        "1.0.0", ComparisonOutcome.INCONCLUSIVE, 3, "too few rows", segment="origin=JFK", blocks=True
    )
    return RetrainOutcome(
        pipeline="flights",
        result=RetrainResult.NOT_BETTER,
        version="1.1.0",
        digest=None,
        model_sha256="0" * 64,
        trained_from=DAY,
        trained_until=DAY,
        until=DAY,
        comparisons=(win, unsure),
        leakage_warning="a column may be the label",
    )


def test_a_retrain_has_one_row_per_comparison(lines_of):
    lines = lines_of(retrain_parts(trained()))
    assert lines[0] == "flights: candidate 1.1.0: not better"
    assert "digest none: nothing was published" in lines
    assert "warning a column may be the label" in lines
    assert lines[-2:] == [
        "the base rate win +0.1803 +0.1585 to +0.2020 1,200 on 20 days",
        "1.0.0, origin=JFK inconclusive - - 3 too few rows; blocks the release",
    ]


def test_an_earlier_champion_that_returns_is_shown_with_what_it_spares_and_the_others_with_what_speaks_against_them(
    lines_of,
):
    win = Comparison("the champion", ComparisonOutcome.WIN, 840, 14, 0.2, 0.1, 0.3, "it gains", blocks=False)
    earlier = (
        EarlierChampion("a" * 64, "1.0.0", win, returns=True),
        EarlierChampion("b" * 64, "0.9.0", win, why_not="another one gains more"),
    )
    returned = {"result": RetrainResult.RETURNED, "returned": True, "skipped": ("fit", "compare"), "comparisons": ()}
    lines = lines_of(retrain_parts(trained().model_copy(update={**returned, "version": "1.0.0", "earlier": earlier})))
    assert lines[0] == "flights: earlier champion 1.0.0: returned"
    assert "skipped fit, compare" in lines
    assert lines[-2:] == [
        "1.0.0 win +0.2000 +0.1000 to +0.3000 840 on 14 days returns",
        "0.9.0 win +0.2000 +0.1000 to +0.3000 840 on 14 days another one gains more",
    ]


def test_a_bootstrap_shows_its_ingest_first(lines_of):
    lines = lines_of(bootstrap_parts(ingested(), trained()))
    assert lines.index("flights: ingested 8 rows of 2 batches") < lines.index("flights: candidate 1.1.0: not better")


AB = ABProgress(
    outcome="revenue",
    better=Better.HIGHER,
    ends=Ends.BY_PERSON,
    effect_min=0.5,
    alpha=0.05,
    measured_at=AT,
    estimate=0.5,
    lower=-0.25,
    upper=1.25,
    challenger_clients=1200,
    champion_clients=1180,
    days_needed=3.21,
    days_left=20.0,
)


def test_an_ab_test_shows_its_interval_and_the_days_needed(lines_of):
    lines = lines_of(status_parts("flights", stack(ab=AB)))
    assert "A/B test revenue +0.5 [-0.25, +1.25] at 95%, 1200 + 1180 clients, about 3.2 more days" in lines
    progress = RolloutProgress(
        pipeline="flights",
        digest="d",
        version="1.1.0",
        phase=Phase.WATCHING,
        at=AT,
        stage=1,
        stages=1,
        mode=Mode.CANARY,
        weight=0.5,
        ab=AB,
    )
    status = RolloutStatus("flights", 3, "1.0.0", "1.1.0", "A/B test", 0.5, controlled=True, progress=progress)
    lines = lines_of(rollout_parts(status))
    assert lines[0] == "flights: 1.0.0 serves; 1.1.0 is on trial (A/B test 50.0%)"
    assert "trial A/B test (50.0%), watching" in lines
    assert "interval (95%, at every look) [-0.25, +1.25]" in lines
    assert "days needed, if effect, spread and traffic stay as they were 3.2" in lines


def test_history_is_in_the_order_of_time(lines_of):
    run = RecordedRun(
        AT.replace(hour=11), DAY, "1.0.0", "bad_data", {"quality": "PASS", "data": "FAIL", "volume": "FAIL"}
    )
    names, first, second, third = lines_of(history_parts([RELEASE], [INCIDENT], [run]))
    assert names == "at record what details"
    assert first == "2013-03-01 11:00:00Z monitor bad data 1.0.0 until 2013-03-01 (FAIL: data, volume)"
    assert second == "2013-03-01 12:00:00Z release 3 canary 1.0.0, 1.1.0 on 5.0%, by release: it gains"
    assert (
        third == "2013-03-01 12:00:00Z incident healing model_slow of aaaaaaaaaaaaaaaaaaaa after 4.0 s (restart_worker)"
    )
    assert lines_of(history_parts([], [], [])) == ["Nothing yet; `autopilot bootstrap` makes the first release."]


def test_a_rollout_shows_counts_and_each_check_with_its_limit(lines_of):
    check = CheckProgress(
        check=TrialCheck.ERRORS,
        outcome=Outcome.INCONCLUSIVE,
        log_e=-0.251,
        threshold_log_e=3.0,
        observations=40,
        votes=True,
        reason="no error yet",
    )
    progress = RolloutProgress(
        pipeline="flights",
        digest="d",
        version="1.1.0",
        phase=Phase.WATCHING,
        at=AT,
        stage=2,
        stages=5,
        mode=Mode.CANARY,
        weight=0.05,
        requests=1_200,
        champion_requests=40,
        requests_needed=7,
        seconds_left=90.0,
        checks=(check,),
    )
    status = RolloutStatus("flights", 3, "1.0.0", "1.1.0", "canary", 0.05, controlled=True, progress=progress)
    lines = lines_of(rollout_parts(status))
    assert lines[0] == "flights: 1.0.0 serves; 1.1.0 is on trial (canary 5.0%)"
    assert "trial stage 2 of 5 (canary 5.0%), watching" in lines
    assert "time left 2 min" in lines
    assert lines[-7:-4] == ["requests 1,200 40", "errors 0 0", "requests needed 7"]
    assert lines[-1] == "errors INCONCLUSIVE -0.251 3 40 yes no error yet"
