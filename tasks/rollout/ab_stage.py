"""The A/B test of a rollout: the split is held until the policy, a person, a failed check or the time ends it."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.ab_decision import judge_ab
from healing.ab_rules import ABRules
from healing.errors import Transient
from healing.promotion import Decision, Exposure, StageRule, abort_alpha_of
from healing.release import Challenger
from healing.trial_rules import TrialCheck
from healing.verdict import Verdict
from releases.log import ReleaseLog
from tasks.config.release_section import ReleaseRules, Stage
from tasks.rollout.ab_evidence import ABEvidence
from tasks.rollout.ab_progress import ABProgress, ab_line
from tasks.rollout.approval import ApprovalQuestion, ab_question, answer_to, put_question
from tasks.rollout.progress import CheckProgress, Phase, RolloutProgress
from tasks.rollout.rollout import Rollout, StageEnd
from tasks.rollout.rollout_status import ProgressReporter
from tasks.rollout.stage import BegunStage, Watchers, begin_stage, end_stage
from tasks.rollout.trial import ended_elsewhere
from tasks.rollout.trial_history import end_of_trial
from tasks.rollout.trial_observer import BackgroundEvidence, TrialObserver
from tasks.runtime import crash_points as points

POLL_SECONDS = 1.0  # between two looks; the guard in the gateway sees every request and does not wait for them

ABEvidenceSource = BackgroundEvidence[ABEvidence | None]


@task(name="run A/B test", cache_policy=NO_CACHE)
def run_ab(
    rollout: Rollout, rules: ReleaseRules, challenger: Challenger, watchers: Watchers, evidence: ABEvidenceSource
) -> StageEnd:
    """Hold the split and observe until the test is over.

    A controller that continues after another one was killed finds the rules in the release log, the start in the
    journal, and every client in the lake.
    """
    assert challenger.ab is not None
    starting = RolloutProgress(
        pipeline=rollout.pipeline,
        digest=rollout.model.digest,
        version=rollout.model.version,
        phase=Phase.STARTING,
        at=datetime.now(UTC),
        stage=1,
        stages=1,
        mode=challenger.mode,
        weight=challenger.weight,
        ab=ABProgress.starting(challenger.ab),
    )
    begun = begin_stage(rollout, challenger, starting, watchers.reporter)
    if isinstance(begun, StageEnd):
        return begun
    question = ab_question(rollout.release_root, rollout.model)
    put_question(rollout.journal, question)
    points.reached("release.ab_asked", generation=begun.generation)
    rule = _safety_rule(rules, challenger)
    watch = _ABWatch(rollout, challenger.ab, rule, begun, starting, question, evidence)
    return end_stage(rollout, begun, watch.until_over(watchers.observer, watchers.reporter))


def _safety_rule(rules: ReleaseRules, challenger: Challenger) -> StageRule:
    """The rule of a canary stage: its tests hold over any number of looks, so a test of weeks needs no other."""
    return StageRule(
        requests_min=Stage(weight=challenger.weight).requests_min,
        deadline_seconds=float("inf"),
        error_rate_tolerated=challenger.rules.error_rate_tolerated,
        abort_alpha=abort_alpha_of(challenger.rules, len(rules.stages)),
    )


@dataclass(frozen=True, slots=True)
class _ABWatch:
    rollout: Rollout
    ab: ABRules
    rule: StageRule
    begun: BegunStage
    starting: RolloutProgress
    question: ApprovalQuestion
    evidence: ABEvidenceSource

    def until_over(self, observer: TrialObserver, reporter: ProgressReporter) -> StageEnd:
        began = ReleaseLog(self.rollout.release_root).read(self.begun.generation)
        while True:
            self.rollout.check_controlled()
            exposure = observer.observe(self.begun.generation, self.begun.running.seconds())
            found = self.evidence.current()
            progress = self._progress(exposure, found)
            ended_by = end_of_trial(self.rollout.release_root, began, self.rollout.model)
            if ended_by is not None:
                return replace(ended_elsewhere(ended_by, exposure), ab=progress.ab)
            reporter.report(progress)
            answered = self._answered(exposure, progress)
            if answered is not None:
                return answered
            decision, verdict = judge_ab(exposure, self.rule, self.ab, None if found is None else found.effect)
            if decision is not Decision.CONTINUE:
                return self._end(decision, verdict, exposure, found)
            time.sleep(POLL_SECONDS)

    def _answered(self, exposure: Exposure, progress: RolloutProgress) -> StageEnd | None:
        """How a person ends the test; None without an answer. While the ledger does not respond, there is none."""
        try:
            answer = answer_to(self.rollout.journal, self.question)
        except Transient:
            return None
        if answer is None:
            return None
        decision = Decision.PROMOTE if answer.approve else Decision.ABORT
        return StageEnd(decision, exposure, f"{answer.in_words}; {_in_words(progress.ab)}", ab=progress.ab)

    def _end(
        self, decision: Decision, verdict: Verdict | None, exposure: Exposure, found: ABEvidence | None
    ) -> StageEnd:
        progress = self._progress(exposure, found)
        if verdict is not None:
            check = TrialCheck(verdict.check) if verdict.check in set(TrialCheck) else TrialCheck.ERRORS
            return StageEnd(decision, exposure, f"{check}: {verdict.reason}", check, ab=progress.ab)
        timed_out = decision in (Decision.INCONCLUSIVE, Decision.NODATA)
        why = "the time of the A/B test is over" if timed_out else f"A/B test: {decision.value}"
        return StageEnd(decision, exposure, f"{why}; {_in_words(progress.ab)}", timed_out=timed_out, ab=progress.ab)

    def _progress(self, exposure: Exposure, found: ABEvidence | None) -> RolloutProgress:
        seconds = exposure.elapsed_seconds
        ab = ABProgress.starting(self.ab).at(seconds, self.ab) if found is None else found.progress(seconds)
        return self.starting.model_copy(
            update={
                "phase": Phase.WATCHING,
                "at": datetime.now(UTC),
                "requests": exposure.requests,
                "errors": exposure.errors,
                "champion_requests": exposure.champion_requests,
                "champion_errors": exposure.champion_errors,
                "seconds_left": max(0.0, self.ab.seconds_max - seconds),
                "checks": tuple(CheckProgress.of(state) for state in exposure.checks),
                "question": f"{self.question.text} (`autopilot release approve {self.rollout.pipeline} --by NAME`)",
                "ab": ab,
            }
        )


def _in_words(ab: ABProgress | None) -> str:
    return "" if ab is None else ab_line(ab)
