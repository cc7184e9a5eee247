"""Runs the registered checks once, and records what they found."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.verdict import Verdict
from tasks.ledger.store import Ledger
from tasks.monitoring.check import CheckContext, MonitorCheck, registered_checks
from tasks.monitoring.diagnosis import Conclusion, Topic, TopicVerdicts
from tasks.monitoring.evidence import check_record
from tasks.monitoring.history import record_history
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.persistence import act_on

_task = task(cache_policy=NO_CACHE, persist_result=False)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdicts of one check, newest window first."""

    check: MonitorCheck
    verdicts: tuple[WindowVerdict, ...]

    @property
    def newest(self) -> tuple[WindowVerdict, ...]:
        """The newest verdict of each name: a check of several quantities returns one name for each."""
        first: dict[str, WindowVerdict] = {}
        for found in self.verdicts:
            first.setdefault(found.verdict.check, found)
        return tuple(first.values())


@dataclass(frozen=True, slots=True)
class CheckResults:
    """The results of all checks of one monitor run, in the order of `registered_checks`."""

    results: tuple[CheckResult, ...]

    @property
    def everything(self) -> tuple[WindowVerdict, ...]:
        return tuple(found for result in self.results for found in result.verdicts)

    @property
    def newest(self) -> tuple[WindowVerdict, ...]:
        return tuple(found for result in self.results for found in result.newest)

    @property
    def quality(self) -> WindowVerdict:
        """The verdict on the newest quality window."""
        return self.of(Topic.QUALITY)[0]

    @property
    def promotion(self) -> WindowVerdict | None:
        return next(iter(self.of(Topic.PROMOTION)), None)

    @property
    def distributions_failed(self) -> bool:
        """Whether a check failed that the HTML report of distributions helps to understand."""
        return any(
            found.verdict.failed
            for result in self.results
            if result.check.shown_in_distributions
            for found in result.newest
        )

    def of(self, topic: Topic) -> tuple[WindowVerdict, ...]:
        """The verdicts of a topic: the history of its one check, or the newest verdicts of several."""
        mine = [result for result in self.results if result.check.topic is topic]
        return tuple(found for each in mine for found in (each.verdicts if topic.has_one_check else each.newest))

    def by_topic(self, *, new_champion: bool) -> TopicVerdicts:
        """The verdicts as the diagnosis takes them."""

        def verdicts(topic: Topic) -> tuple[Verdict, ...]:
            return tuple(found.verdict for found in self.of(topic))

        return TopicVerdicts(
            features=verdicts(Topic.FEATURES),
            predictions=verdicts(Topic.PREDICTIONS),
            quality=verdicts(Topic.QUALITY),
            estimate=verdicts(Topic.ESTIMATE),
            data=verdicts(Topic.DATA),
            serving=verdicts(Topic.SERVING),
            promotion=verdicts(Topic.PROMOTION),
            new_champion=new_champion,
        )


@_task
def run_checks(context: CheckContext) -> CheckResults:
    """Run every check. Quality runs first: without mature labels, the other checks judge earlier windows as well."""
    checks = registered_checks()
    first = [_run(check, context) for check in checks if check.topic is Topic.QUALITY]
    labelled = any(result.verdicts[0].verdict.statistic is not None for result in first)
    context = replace(context, labelled=labelled)
    return CheckResults((*first, *(_run(check, context) for check in checks if check.topic is not Topic.QUALITY)))


@_task
def record_results(
    ledger_dsn: str, model: MonitoredModel, found: CheckResults, conclusion: Conclusion, *, acts: bool
) -> None:
    """Record the newest verdicts: unchanged in the lake's history, and in the ledger those that `heal` may act on."""
    verdicts = [(each.window, each.verdict) for each in found.newest]
    record_history(model, verdicts, conclusion.diagnosis.value, datetime.now(UTC))
    why_not = f"no action, diagnosis {conclusion.diagnosis}"
    with Ledger(ledger_dsn) as ledger:
        for result in found.results:
            cause = result.check.cause
            if cause is None:
                continue
            for each in result.newest:
                verdict = act_on(each.verdict, acts and conclusion.cause is cause, why_not)
                ledger.record_check(check_record(model, cause, verdict, each.window))


def _run(check: MonitorCheck, context: CheckContext) -> CheckResult:
    return CheckResult(check, tuple(check.judge(context)))
