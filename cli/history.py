"""`autopilot history`: releases, monitor runs and incidents in the order of time."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, settings_of

if TYPE_CHECKING:
    from cli.report_lines import IncidentLine, ReleaseLine
    from tasks.monitoring.history import RecordedRun


def history(
    pipeline: PipelineArgument,
    limit: Annotated[
        int, typer.Option(min=1, help="At most this many releases, incidents and monitor runs each.")
    ] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show releases, incidents and what the monitor found, oldest first."""
    from cli.output import as_document, print_result
    from cli.report_lines import incidents_of, releases_of
    from tasks.config.pipeline import load_pipeline
    from tasks.monitoring.history import read_history

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    releases = releases_of(settings, pipeline)[-limit:]
    incidents = incidents_of(settings, pipeline, limit)[::-1]
    runs = read_history(settings.lake_root(pipeline), limit)
    if as_json:
        parts = {"releases": releases, "incidents": incidents, "monitor": runs}
        print_result({name: as_document(part) for name, part in parts.items()}, as_json=True)
        return
    print_lines(releases, incidents, runs)


def print_lines(releases: "list[ReleaseLine]", incidents: "list[IncidentLine]", runs: "list[RecordedRun]") -> None:
    """All records as one list in the order of time."""
    lines = [(release.at, _release(release)) for release in releases]
    lines += [(incident.at, _incident(incident)) for incident in incidents]
    lines += [(run.at, _monitor_run(run)) for run in runs]
    if not lines:
        print("Nothing yet; `autopilot bootstrap` makes the first release.")
    for at, text in sorted(lines):
        print(f"{at:%Y-%m-%d %H:%M:%S}Z  {text}")


def _release(release: "ReleaseLine") -> str:
    trial = f", {release.challenger} on {release.weight:.1%}" if release.challenger and release.weight else ""
    lifted = f", its fence lifted by {release.unfenced_by}" if release.unfenced_by else ""
    note = f"  ({release.note})" if release.note else ""
    what = f"{release.reason:<10} {release.champion}{trial}{lifted}"
    return f"release {release.generation:<4} {what}, by {release.author}{note}"


def _incident(incident: "IncidentLine") -> str:
    tried = ", ".join(incident.remedies) or "nothing tried"
    ended = "" if incident.ended_seconds is None else f" after {incident.ended_seconds:.1f} s"
    return f"incident     {incident.cause} of {incident.subject[:40]}: {incident.status}{ended} ({tried})"


def _monitor_run(run: "RecordedRun") -> str:
    not_passed = ", ".join(f"{check} {outcome}" for check, outcome in run.outcomes.items() if outcome != "PASS")
    return f"monitor      {run.diagnosis} of {run.version} until {run.until} ({not_passed or 'all checks passed'})"
