"""The story: 2013 in the data's own order, with the troubles that such a system meets.

Only the causes are played here. What detects, mitigates and heals is the stack itself; the chapters wait for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from chaos.faults.corrupted_file import CorruptedFile
from chaos.faults.stopped_process import StoppedProcess
from chaos.processes import ProcessName
from cli.demo.stage import Stage
from healing.incident import Cause
from healing.release import Reason

LEARN_UNTIL = date(2013, 2, 28)
LAST_DAY = date(2013, 7, 31)
RENAMED_ON = date(2013, 3, 9)
NULLS_ON = date(2013, 3, 20)
FEED_DOWN_WEEK_ENDS = date(2013, 4, 11)
REQUESTS_MIN = 20_000
SERVE_SECONDS_MAX = 60.0
HEAL_SECONDS_MAX = 400.0  # about 10 s after an event on an idle machine; without an event, up to 300 s later
RENEW_SECONDS_MAX = 300.0  # training, comparison and a rollout of some 90 s, on a machine with other work
DRIFT = (Cause.QUALITY_DROP, Cause.DATA_DRIFT)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the story and its headline."""

    title: str
    play: Callable[[Stage], None]


def learn(stage: Stage) -> None:
    """Ingest January and February, train the first model, see it served, let the clients come."""
    from flows.ingest import ingest
    from flows.retrain import retrain

    stage.set_clock(LEARN_UNTIL)
    ingest(stage.name, until=LEARN_UNTIL)
    retrain(stage.name, until=LEARN_UNTIL)
    stage.wait_for("the gateway serves the first model", lambda: serves(stage), SERVE_SECONDS_MAX)
    stage.ask_about(LEARN_UNTIL - timedelta(days=6), LEARN_UNTIL)
    stage.start_traffic()
    stage.wait_for("the first answers", lambda: stage.traffic.count() > 0, SERVE_SECONDS_MAX)


def spring(stage: Stage) -> None:
    """One batch comes with other column names, one with holes."""
    stage.set_faults(
        {"table": "flights", "day": str(RENAMED_ON), "kind": "rename", "columns": {"carrier": "airline", "dest": "to"}},
        {"table": "flights", "day": str(NULLS_ON), "kind": "null", "column": "distance", "share": 0.3, "seed": 7},
    )
    while stage.today < NULLS_ON:
        if RENAMED_ON in week_after(stage.today):
            stage.trouble(Cause.SCHEMA_BREAK)
        if NULLS_ON in week_after(stage.today):
            stage.trouble(Cause.NULL_SPIKE)
        play_week(stage)
    play_days(stage, (FEED_DOWN_WEEK_ENDS - timedelta(days=7) - stage.today).days)


def feed_down(stage: Stage) -> None:
    """The primary source hangs; the week comes from the mirror."""
    recorded = stage.lab.process("feed")
    fault = StoppedProcess(process=ProcessName(pid=recorded.pid, started_at=recorded.started_at))
    stage.trouble(Cause.SOURCE_UNAVAILABLE)
    fault.inject()
    try:
        play_week(stage)
    finally:
        fault.undo()


def summer(stage: Stage) -> None:
    """Fortnights, until quality drops by itself; then a new model is trained, tried on clients and promoted."""
    while stage.today < LAST_DAY and not stage.incidents(*DRIFT):
        stage.trouble(*DRIFT)
        play_days(stage, 14)
    if stage.wait_for("an incident of drift", lambda: bool(stage.incidents(*DRIFT)), 5.0):
        stage.wait_for("a promotion", lambda: stage.released(Reason.PROMOTE) is not None, RENEW_SECONDS_MAX)
        stage.wait_for("the end of the drift incident", stage.all_ended, HEAL_SECONDS_MAX)


def bad_candidate(stage: Stage) -> None:
    """Somebody insists on a model that learned from a partial extract; its trial shows it, and it is aborted."""
    from flows.retrain import retrain

    play_week(stage)
    before = stage.log.latest_generation()
    retrain(stage.name, until=stage.today, estimator="pipelines.flights.drills:build_estimator", skip_comparison=True)
    stage.wait_for("an abort", lambda: stage.released(Reason.ABORT, before) is not None, SERVE_SECONDS_MAX)
    on_trial = stage.released(Reason.SHADOW, before)
    if on_trial is not None:  # it is judged from here on
        stage.trouble(Cause.BAD_CANDIDATE, began_at=on_trial.created_at)
    stage.wait_for("the end of the incident", stage.all_ended, HEAL_SECONDS_MAX)


def corrupted_champion(stage: Stage) -> None:
    """The champion's file rots and its worker dies: a fallback answers at once, then the healer rolls back."""
    state = stage.lab.release_state()
    champion = state["release"]["champion"]["digest"]
    [worker] = [ProcessName.of(each["pid"]) for each in state["workers"] if each["digest"] == champion and each["pid"]]
    fault = CorruptedFile.prepare(stage.lab.models / champion / "model.skops", stage.directory / "original.skops")
    before = stage.log.latest_generation()
    stage.trouble(Cause.MODEL_CORRUPT, Cause.MODEL_FAILING)
    fault.inject()
    process = worker.find()
    if process is not None:
        process.kill()
    stage.wait_for("a rollback", lambda: stage.released(Reason.ROLLBACK, before) is not None, HEAL_SECONDS_MAX)
    stage.wait_for("the gateway serves it", lambda: serves(stage), SERVE_SECONDS_MAX)
    stage.wait_for("the end of the incident", stage.all_ended, HEAL_SECONDS_MAX)


def farewell(stage: Stage) -> None:
    """The clients go on until they have asked enough to judge by."""
    stage.wait_for(f"{REQUESTS_MIN} answers", lambda: stage.traffic.count() >= REQUESTS_MIN, HEAL_SECONDS_MAX)
    stage.traffic.stop(stage.tree)


CHAPTERS = (
    Chapter("January and February: learn, release, serve", learn),
    Chapter("March: a batch with renamed columns, a batch with holes", spring),
    Chapter("April: the feed hangs", feed_down),
    Chapter("Summer: the data drift until quality drops", summer),
    Chapter("A bad candidate", bad_candidate),
    Chapter("The champion's file rots", corrupted_champion),
    Chapter("The end", farewell),
)


def play_week(stage: Stage) -> None:
    """One more week."""
    play_days(stage, 7)


def play_days(stage: Stage, days: int) -> None:
    """The feed's clock goes on; the days come in, are asked about, are judged."""
    from flows.ingest import ingest
    from flows.monitor import monitor

    since = stage.today + timedelta(days=1)
    until = stage.today + timedelta(days=days)
    stage.set_clock(until)
    ingest(stage.name, since=since, until=until)
    stage.ask_about(since, until)
    monitor(stage.name, until=until)
    stage.timeline.say(f"{days} days to {until:%d %B}")


def week_after(day: date) -> list[date]:
    """The seven days that follow `day`."""
    return [day + timedelta(days=number) for number in range(1, 8)]


def serves(stage: Stage) -> bool:
    """The gateway answers with the newest release."""
    return bool(stage.lab.release_state()["active_generation"] == stage.log.latest_generation())
