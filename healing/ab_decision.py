"""Decision on an A/B test after one look: go on, promote the challenger, abort it, or the time is over."""

import math
from dataclasses import replace

from healing.ab_effect import ABDecision, ABEffect
from healing.ab_rules import ABRules, Ends
from healing.promotion import Decision, Exposure, StageRule, judge_promotion, judge_stage
from healing.verdict import Verdict


def judge_ab(
    exposure: Exposure, rule: StageRule, rules: ABRules, effect: ABEffect | None
) -> tuple[Decision, Verdict | None]:
    """The decision after this look, and the verdict of the failed check where one aborts the trial.

    A failed check aborts as in a canary, whatever the outcome says. With `Ends.WHEN_DECIDED` a better challenger is
    promoted, once the promotion test of a canary stage has passed too; one that is worse or no different is aborted.
    INCONCLUSIVE when the time is over, NODATA when no client is settled then.
    """
    safety, verdict = judge_stage(exposure, replace(rule, deadline_seconds=math.inf))
    if safety is Decision.ABORT:
        return safety, verdict
    found = ABDecision.INCONCLUSIVE if effect is None else effect.decision
    if rules.ends is Ends.WHEN_DECIDED:
        if found is ABDecision.BETTER and judge_promotion(exposure, rule).passed:
            return Decision.PROMOTE, None
        if found in (ABDecision.WORSE, ABDecision.NO_DIFFERENCE):
            return Decision.ABORT, None
    if exposure.elapsed_seconds < rules.seconds_max:
        return Decision.CONTINUE, None
    return Decision.INCONCLUSIVE if effect is not None and effect.clients else Decision.NODATA, None
