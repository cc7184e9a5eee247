"""Whether a source answers far more slowly than it usually does, by the fetch times that runs of ingest recorded."""

from collections.abc import Sequence
from statistics import median

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.incident import Cause
from tasks.incidents.probe import Probe, ProbeContext, Sighting
from tasks.ingestion.run_record import fetch_seconds
from tasks.ingestion.source_avoidance import avoided_seconds

RUNS_MAX = 30
SLOW_RUNS = 2  # in a row: one run may meet a busy source
USUAL_RUNS_MIN = 5
SLOW_FACTOR = 5.0
SLOW_SECONDS_MIN = 2.0  # more than usual; below, nobody waits for it


class SourceSpeed(Probe):
    """A source is slow if its last two runs that fetched from it were both slow, compared with those before.

    A run is slow if its median time per batch is more than five times the usual one and more than two seconds longer.
    A source that is asked last for a while slows nothing down.
    """

    name = "source_speed"

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:
        return frozenset((Cause.SOURCE_SLOW, source.name) for source in context.pipeline.sources)

    def observe(self, context: ProbeContext) -> Sighting:
        runs = fetch_seconds(context.ledger, context.pipeline.name, RUNS_MAX)
        state_dir = context.settings.sources_dir(context.pipeline.name)
        problems = []
        for source in context.pipeline.sources:
            slowness = slowness_of([run[source.name] for run in runs if source.name in run])
            if slowness is not None and avoided_seconds(state_dir, source.name) == 0:
                problems.append(ProblemSignal(Cause.SOURCE_SLOW, source.name, f"source {source.name}: {slowness}"))
        return Sighting(tuple(problems))


def slowness_of(seconds: Sequence[float]) -> str | None:
    """How slow the source is, from its medians per run, the latest first; None if it is not, or too little is known."""
    latest, before = seconds[:SLOW_RUNS], seconds[SLOW_RUNS:]
    if len(before) < USUAL_RUNS_MIN:
        return None
    usual = median(before)
    if all(each > max(SLOW_FACTOR * usual, usual + SLOW_SECONDS_MIN) for each in latest):
        return f"expected about {usual:.2g} s per batch, found {min(latest):.2g} s or more in {SLOW_RUNS} runs in a row"
    return None


PROBES = (SourceSpeed,)
