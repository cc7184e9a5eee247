"""Switch source, for a slow one: ingestion asks the pipeline's other sources first for some hours."""

from healing.errors import StoreUnavailable
from healing.incident import AttemptOutcome, Cause, Remedy
from healing.verdict import Verdict
from tasks.config.pipeline import load_pipeline
from tasks.incidents.remedy_action import RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult
from tasks.incidents.service_observation import observe_problem_gone
from tasks.ingestion.source_avoidance import avoid, avoided_seconds
from tasks.runtime import crash_points

AVOID_SECONDS = 6 * 3_600.0  # then its speed is measured again


class AvoidSlowSource(RemedyAction):
    """Futile where no other source is left that is not avoided itself."""

    remedy = Remedy.SWITCH_SOURCE
    verify_seconds_max = 30.0  # the probe looks every 10 s

    def applies_to(self, cause: Cause) -> bool:
        return cause is Cause.SOURCE_SLOW

    def apply(self, context: RemedyContext) -> RemedyResult:
        settings, slow = context.settings, context.incident.subject
        config = load_pipeline(context.incident.pipeline, settings.pipelines_dir)
        state_dir = settings.sources_dir(config.name)
        names = [source.name for source in config.sources]
        others = [name for name in names if name != slow and avoided_seconds(state_dir, name) == 0]
        if slow not in names or not others:
            return RemedyResult(AttemptOutcome.FUTILE, f"no other source than {slow} can be asked first")
        try:
            avoid(state_dir, slow, AVOID_SECONDS, context.reason)
        except OSError as exc:
            raise StoreUnavailable(f"the order of the sources could not be recorded: {exc}") from exc
        crash_points.reached("switch_source.avoided", source=slow)
        note = f"{others[0]} is asked before {slow} for {AVOID_SECONDS / 3_600:g} h"
        return RemedyResult(AttemptOutcome.SUCCEEDED, note)

    def observe(self, context: RemedyContext) -> Verdict:
        return observe_problem_gone(context)


REMEDIES = (AvoidSlowSource(),)
