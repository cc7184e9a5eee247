"""Run a drill: break the running stack on purpose, publish the durations, and fail if it did not recover."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from chaos.experiment_files import WrongUsage
from chaos.lab import StackDown
from chaos.outcome import DrillOutcome
from chaos.rotation import WEEKLY, weekly_drill
from chaos.runner import run_drill
from chaos.verdict import Exit
from healing.errors import AutopilotError, UsageError
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.runtime.traces import observed


class DrillFailed(AutopilotError):
    """A drill did not end with a recovery. The message says how it ended, and where its record is."""


@flow(name="drill")
@observed
def drill(pipeline: str, name: str = "noop", ablate: str | None = None) -> DrillOutcome:
    """Run drill `name` against the running stack and publish the durations; DrillFailed unless it recovered.

    `weekly` stands for the drill of the week, so that a schedule runs the whole catalogue in turn.
    """
    settings = load_settings()
    load_pipeline(pipeline, settings.pipelines_dir)
    if name == WEEKLY:
        name = weekly_drill(datetime.now(UTC).date())
    outcome = run_experiment(settings.home.as_posix(), pipeline, name, ablate)
    publish_durations(outcome)
    if outcome.exit is not Exit.RECOVERED:
        raise DrillFailed(f"drill {name} ended with {outcome.exit.name}: {outcome.reason}; see {outcome.directory}")
    return outcome


@task(name="run experiment", cache_policy=NO_CACHE, persist_result=False)
def run_experiment(home: str, pipeline: str, name: str, ablate: str | None) -> DrillOutcome:
    """Run the experiment; UsageError if it cannot be run as requested. It is never retried, so a fault occurs once."""
    try:
        return run_drill(name, Path(home), pipeline=pipeline, ablate=ablate)
    except (WrongUsage, StackDown) as exc:
        raise UsageError(str(exc)) from exc


@task(name="publish durations", cache_policy=NO_CACHE, persist_result=False)
def publish_durations(outcome: DrillOutcome) -> None:
    """Publish the shortest and longest possible duration of each step, in seconds, as an artifact of the run."""
    rows = [
        {"time to": step, "at least (s)": seconds[0], "at most (s)": seconds[1]}
        for step, seconds in outcome.durations.model_dump().items()
        if seconds is not None
    ]
    create_table_artifact(table=rows, key=f"drill-{outcome.name}", description=f"{outcome.exit.name}: {outcome.reason}")
