"""The chapters of the demo: 2013 day by day, with faults that such a system meets.

A chapter only causes faults and waits. The stack itself detects, mitigates and heals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from chaos.faults.changed_file import ChangedFile
from chaos.faults.signalled_process import SignalledProcess
from chaos.processes import ProcessName
from cli.demo.demo_stack import DemoStack
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
    """A part of the demo and its headline."""

    title: str
    play: Callable[[DemoStack], None]


def learn(stack: DemoStack) -> None:
    """Ingest January and February, train the first model, wait until it serves, and start the load."""
    from flows.ingest import ingest
    from flows.retrain import retrain

    stack.set_clock(LEARN_UNTIL)
    ingest(stack.name, until=LEARN_UNTIL)
    retrain(stack.name, until=LEARN_UNTIL)
    stack.wait_for("the gateway serves the first model", lambda: serves(stack), SERVE_SECONDS_MAX)
    stack.ask_about(LEARN_UNTIL - timedelta(days=6), LEARN_UNTIL)
    stack.start_traffic()
    stack.wait_for("the first answers", lambda: stack.traffic.count() > 0, SERVE_SECONDS_MAX)


def spring(stack: DemoStack) -> None:
    """One batch has renamed columns, and one has missing values."""
    stack.set_faults(
        {"table": "flights", "day": str(RENAMED_ON), "kind": "rename", "columns": {"carrier": "airline", "dest": "to"}},
        {"table": "flights", "day": str(NULLS_ON), "kind": "null", "column": "distance", "share": 0.3, "seed": 7},
    )
    while stack.today < NULLS_ON:
        if RENAMED_ON in week_after(stack.today):
            stack.expect_incident(Cause.SCHEMA_BREAK)
        if NULLS_ON in week_after(stack.today):
            stack.expect_incident(Cause.NULL_SPIKE)
        play_week(stack)
    play_days(stack, (FEED_DOWN_WEEK_ENDS - timedelta(days=7) - stack.today).days)


def feed_down(stack: DemoStack) -> None:
    """The primary source hangs; the mirror delivers the week."""
    recorded = stack.lab.process("feed")
    fault = SignalledProcess(process=ProcessName(pid=recorded.pid, started_at=recorded.started_at))
    stack.expect_incident(Cause.SOURCE_UNAVAILABLE)
    fault.inject()
    try:
        play_week(stack)
    finally:
        fault.undo()


def summer(stack: DemoStack) -> None:
    """Two weeks at a time until quality drops; then a new model is trained, put on trial and promoted."""
    while stack.today < LAST_DAY and not stack.incidents(*DRIFT):
        stack.expect_incident(*DRIFT)
        play_days(stack, 14)
    if stack.wait_for("a drift incident", lambda: bool(stack.incidents(*DRIFT)), 5.0):
        stack.wait_for("a promotion", lambda: stack.released(Reason.PROMOTE) is not None, RENEW_SECONDS_MAX)
        stack.wait_for("the end of the drift incident", stack.all_ended, HEAL_SECONDS_MAX)


def bad_candidate(stack: DemoStack) -> None:
    """Release a model that was trained on a partial extract; its trial aborts it."""
    from flows.retrain import retrain

    play_week(stack)
    before = stack.log.latest_generation()
    retrain(stack.name, until=stack.today, estimator="pipelines.flights.drills:build_estimator", skip_comparison=True)
    stack.wait_for("an abort", lambda: stack.released(Reason.ABORT, before) is not None, SERVE_SECONDS_MAX)
    on_trial = stack.released(Reason.SHADOW, before)
    if on_trial is not None:  # the trial's checks start here
        stack.expect_incident(Cause.BAD_CANDIDATE, began_at=on_trial.created_at)
    stack.wait_for("the end of the incident", stack.all_ended, HEAL_SECONDS_MAX)


def corrupted_champion(stack: DemoStack) -> None:
    """The champion's file is corrupted and its workers are killed: a fallback answers at once, then heal rolls back."""
    champion = stack.lab.champion()
    workers = [ProcessName.of(pid) for pid in stack.lab.workers(champion)]
    fault = ChangedFile.prepare(stack.lab.models / champion / "model.skops", stack.directory / "original.skops")
    before = stack.log.latest_generation()
    stack.expect_incident(Cause.MODEL_CORRUPT, Cause.MODEL_FAILING)
    fault.inject()
    for worker in workers:
        if (process := worker.find()) is not None:
            process.kill()
    stack.wait_for("a rollback", lambda: stack.released(Reason.ROLLBACK, before) is not None, HEAL_SECONDS_MAX)
    stack.wait_for("the gateway serves it", lambda: serves(stack), SERVE_SECONDS_MAX)
    stack.wait_for("the end of the incident", stack.all_ended, HEAL_SECONDS_MAX)


def finish(stack: DemoStack) -> None:
    """Wait until enough requests were sent to compare, and end the load."""
    stack.wait_for(f"{REQUESTS_MIN} answers", lambda: stack.traffic.count() >= REQUESTS_MIN, HEAL_SECONDS_MAX)
    stack.traffic.stop(stack.tree)


CHAPTERS = (
    Chapter("January and February: train, release, serve", learn),
    Chapter("March: a batch with renamed columns, a batch with missing values", spring),
    Chapter("April: the feed hangs", feed_down),
    Chapter("Summer: quality drops until a new model is promoted", summer),
    Chapter("A bad candidate", bad_candidate),
    Chapter("The champion's file is corrupted", corrupted_champion),
    Chapter("The end", finish),
)


def play_week(stack: DemoStack) -> None:
    """Play one more week."""
    play_days(stack, 7)


def play_days(stack: DemoStack, days: int) -> None:
    """Advance the feed's clock by `days`, ingest the days, send requests about them, and monitor."""
    from flows.ingest import ingest
    from flows.monitor import monitor

    since = stack.today + timedelta(days=1)
    until = stack.today + timedelta(days=days)
    stack.set_clock(until)
    ingest(stack.name, since=since, until=until)
    stack.ask_about(since, until)
    monitor(stack.name, until=until, renew=False)  # a renewed model would show no drop of quality
    stack.timeline.say(f"{days} days to {until:%d %B}")


def week_after(day: date) -> list[date]:
    """The seven days that follow `day`."""
    return [day + timedelta(days=number) for number in range(1, 8)]


def serves(stack: DemoStack) -> bool:
    """Whether the gateway serves the newest release."""
    return bool(stack.lab.release_state()["active_generation"] == stack.log.latest_generation())
