"""A drill as a flow: break the stack on purpose, keep the times, and fail when it did not recover."""

from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from chaos.lab import StackDown
from chaos.runner import DrillOutcome, WrongUsage, run_drill
from chaos.verdict import Exit
from healing.errors import AutopilotError, UsageError
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings


class DrillFailed(AutopilotError):
    """A drill ended otherwise than with a recovery; its message says how, and where the record is."""


@flow(name="drill")
def drill(pipeline: str, name: str = "noop", ablate: str | None = None) -> DrillOutcome:
    """Run drill `name` against the running stack; DrillFailed unless it recovered, with the times as an artifact."""
    settings = load_settings()
    load_pipeline(pipeline, settings.pipelines_dir)
    outcome = break_and_watch(settings.home.as_posix(), pipeline, name, ablate)
    keep_times(outcome)
    if outcome.exit is not Exit.RECOVERED:
        raise DrillFailed(f"drill {name} ended with {outcome.exit.name}: {outcome.reason}; see {outcome.directory}")
    return outcome


@task(name="break and watch", cache_policy=NO_CACHE, persist_result=False)
def break_and_watch(home: str, pipeline: str, name: str, ablate: str | None) -> DrillOutcome:
    """Run the experiment; UsageError where it cannot be run as asked for. Never retried: a fault is injected once."""
    try:
        return run_drill(name, Path(home), pipeline=pipeline, ablate=ablate)
    except (WrongUsage, StackDown) as exc:
        raise UsageError(str(exc)) from exc


@task(name="keep times", cache_policy=NO_CACHE, persist_result=False)
def keep_times(outcome: DrillOutcome) -> None:
    """Show the durations in Prefect, beside the run; seconds, at least and at most."""
    rows = [
        {"time to": step, "at least (s)": seconds[0], "at most (s)": seconds[1]}
        for step, seconds in outcome.durations.model_dump().items()
        if seconds is not None
    ]
    create_table_artifact(table=rows, key=f"drill-{outcome.name}", description=f"{outcome.exit.name}: {outcome.reason}")
