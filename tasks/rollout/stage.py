"""One stage of a trial: the challenger gets its share and is observed until there is a decision or its time is over."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.errors import GatewayUnavailable
from healing.promotion import Decision, Exposure, StageRule, abort_alpha_of, judge_stage, requests_needed
from healing.release import Challenger
from healing.trial_rules import TrialCheck
from healing.verdict import Verdict
from releases.log import ReleaseLog
from tasks.config.release_section import ReleaseRules, Stage
from tasks.rollout.progress import CheckProgress, Phase, RolloutProgress
from tasks.rollout.rollout import Rollout, StageEnd, Step, moment_of
from tasks.rollout.rollout_status import ProgressReporter
from tasks.rollout.trial import FOLLOW_SECONDS_MAX, ended_elsewhere, put_on_trial
from tasks.rollout.trial_history import end_of_trial, stage_start
from tasks.rollout.trial_observer import LabelEvidence, TrialObserver
from tasks.runtime import crash_points as points
from tasks.runtime.clock import Stopwatch
from tasks.serving.gateway_client import await_generation

POLL_SECONDS = 0.5  # between two observations; the guard in the gateway sees every request and does not wait for them


@dataclass(frozen=True, slots=True)
class Watchers:
    """The observer and the reporter of a trial, for the whole rollout."""

    observer: TrialObserver
    reporter: ProgressReporter

    @classmethod
    def of(cls, rollout: Rollout, labels: LabelEvidence | None = None) -> "Watchers":
        return cls(
            TrialObserver(rollout.operate_url, rollout.model, labels),
            ProgressReporter(rollout.release_root, rollout.pipeline),
        )


def stage_rule(rules: ReleaseRules, stage: Stage) -> StageRule:
    """What the stage requires. It can still be decided while it is held, so the rule's deadline is the end of hold."""
    return StageRule(
        requests_min=stage.requests_min,
        seconds_min=stage.seconds_min,
        deadline_seconds=stage.deadline_seconds + stage.hold_seconds,
        error_rate_tolerated=rules.error_rate_tolerated,
        abort_alpha=abort_alpha_of(rules.trial_rules, len(rules.stages)),
    )


@task(name="run stage", cache_policy=NO_CACHE)
def run_stage(rollout: Rollout, rules: ReleaseRules, place: int, watchers: Watchers) -> StageEnd:
    """Give the challenger the share of the stage at `place` (from 0), and observe until the stage is decided.

    Time counts from when the gateway first served the stage, as the journal recorded it, also for a controller that
    continues after another one was killed.
    """
    stage = rules.stages[place]
    progress = _starting(rollout, rules, place)
    challenger = Challenger(rollout.model, stage.mode, stage.weight, rules.trial_rules)
    begun = begin_stage(rollout, challenger, progress, watchers.reporter)
    if isinstance(begun, StageEnd):
        return begun
    watch = _Watch(rollout, stage, stage_rule(rules, stage), begun.generation, begun.running, progress)
    return end_stage(rollout, begun, watch.until_decided(watchers))


@dataclass(frozen=True, slots=True)
class BegunStage:
    """A stage that the gateway serves: the generation that began it, how long ago, and its journal detail."""

    generation: int
    running: Stopwatch
    detail: Mapping[str, object]


def begin_stage(
    rollout: Rollout, challenger: Challenger, starting: RolloutProgress, reporter: ProgressReporter
) -> BegunStage | StageEnd:
    """Write the challenger's share to the log, and wait for the gateway; how the trial ends if it cannot begin."""
    reporter.report(starting)
    if rollout.operate_url is None:
        reason = "there is no gateway to try it on; start `autopilot up` and release again"
        return StageEnd(Decision.INCONCLUSIVE, Exposure(0, 0, 0), reason)
    trial = put_on_trial(rollout, challenger)
    points.reached("release.stage_written", generation=trial.generation)
    try:
        await_generation(rollout.operate_url, trial.generation, FOLLOW_SECONDS_MAX)
    except GatewayUnavailable as exc:
        ended_by = end_of_trial(rollout.release_root, trial, rollout.model)
        return StageEnd(Decision.INCONCLUSIVE, Exposure(0, 0, 0), str(exc), ended_by=ended_by)
    generation = stage_start(rollout.release_root, trial).generation
    detail: dict[str, object] = {
        "stage": starting.stage,
        "stages": starting.stages,
        "mode": challenger.mode.value,
        "weight": challenger.weight,
    }
    began = moment_of(rollout.journal.write_once(Step.STAGE_STARTED, {"generation": generation}, detail))
    points.reached("release.stage_started", generation=generation)
    return BegunStage(generation, Stopwatch.since(began), detail)


def end_stage(rollout: Rollout, begun: BegunStage, end: StageEnd) -> StageEnd:
    """The end of a stage, recorded in the journal."""
    result = {"decision": end.decision.value, "requests": end.exposure.requests, "errors": end.exposure.errors}
    detail = {**begun.detail, **result, "generation": begun.generation, "reason": end.reason}
    rollout.journal.write(Step.STAGE_ENDED, detail)
    points.reached("release.stage_ended", generation=begun.generation)
    return end


def _starting(rollout: Rollout, rules: ReleaseRules, place: int) -> RolloutProgress:
    stage = rules.stages[place]
    return RolloutProgress(
        pipeline=rollout.pipeline,
        digest=rollout.model.digest,
        version=rollout.model.version,
        phase=Phase.STARTING,
        at=datetime.now(UTC),
        stage=place + 1,
        stages=len(rules.stages),
        mode=stage.mode,
        weight=stage.weight,
    )


@dataclass(frozen=True, slots=True)
class _Watch:
    """A stage that the gateway serves: the generation that began it, and how long ago."""

    rollout: Rollout
    stage: Stage
    rule: StageRule
    generation: int
    running: Stopwatch
    starting: RolloutProgress

    def until_decided(self, watchers: Watchers) -> StageEnd:
        """Observe until the stage passes, a check fails, another writer ends the trial, or deadline and hold pass."""
        began = ReleaseLog(self.rollout.release_root).read(self.generation)
        while True:
            self.rollout.check_controlled()
            exposure = watchers.observer.observe(self.generation, self.running.seconds())
            ended_by = end_of_trial(self.rollout.release_root, began, self.rollout.model)
            if ended_by is not None:
                return ended_elsewhere(ended_by, exposure)
            decision, verdict = judge_stage(exposure, self.rule)
            if decision is Decision.PROMOTE:
                exposure = watchers.observer.with_latest_labels(exposure)
                decision, verdict = judge_stage(exposure, self.rule)
            watchers.reporter.report(self._progress(exposure))
            if decision is not Decision.CONTINUE:
                return _end(decision, verdict, exposure)
            time.sleep(POLL_SECONDS)

    def _progress(self, exposure: Exposure) -> RolloutProgress:
        held = exposure.elapsed_seconds >= self.stage.deadline_seconds
        if held:
            detail = {"requests": exposure.requests, "errors": exposure.errors}
            self.rollout.journal.write_once(Step.STAGE_HELD, {"generation": self.generation}, detail)
        return self.starting.model_copy(
            update={
                "phase": Phase.HELD if held else Phase.WATCHING,
                "at": datetime.now(UTC),
                "requests": exposure.requests,
                "errors": exposure.errors,
                "champion_requests": exposure.champion_requests,
                "champion_errors": exposure.champion_errors,
                "requests_needed": requests_needed(exposure, self.rule),
                "seconds_left": self.rule.deadline_seconds - exposure.elapsed_seconds,
                "checks": tuple(CheckProgress.of(state) for state in exposure.checks),
            }
        )


def _end(decision: Decision, verdict: Verdict, exposure: Exposure) -> StageEnd:
    """The stage's end with the name of the check that failed: `errors` when the controller's own test failed."""
    if decision is not Decision.ABORT:
        timed_out = decision is not Decision.PROMOTE
        return StageEnd(decision, exposure, f"{decision}: {verdict.reason}", timed_out=timed_out)
    check = TrialCheck(verdict.check) if verdict.check in set(TrialCheck) else TrialCheck.ERRORS
    return StageEnd(decision, exposure, f"{check}: {verdict.reason}", check)
