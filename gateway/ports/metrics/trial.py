"""Metrics of the trial of a challenger. Without a trial they have no series."""

from collections.abc import Iterator

from gateway.ports.state import GatewayState
from healing.verdict import Outcome
from releases.exposition import MetricDeclaration, MetricKind, Sample

WEIGHT = MetricDeclaration(
    "gateway_trial_weight_ratio",
    MetricKind.GAUGE,
    "The challenger's share of requests, by its version and the mode of the trial.",
    ("version", "mode"),
)
REQUESTS = MetricDeclaration(
    "gateway_trial_stage_requests", MetricKind.GAUGE, "Requests of an arm in the present stage.", ("arm",)
)
ERRORS = MetricDeclaration(
    "gateway_trial_stage_errors", MetricKind.GAUGE, "Failed requests of an arm in the present stage.", ("arm",)
)
LOG_E = MetricDeclaration(
    "gateway_trial_log_e", MetricKind.GAUGE, "Natural log of the e-value of a check: evidence to abort.", ("check",)
)
THRESHOLD = MetricDeclaration(
    "gateway_trial_log_e_threshold", MetricKind.GAUGE, "Natural log of the e-value at which a check fails.", ("check",)
)
OBSERVATIONS = MetricDeclaration(
    "gateway_trial_observations", MetricKind.GAUGE, "What a check has observed in the whole trial.", ("check",)
)
VERDICT = MetricDeclaration(
    "gateway_trial_verdict",
    MetricKind.GAUGE,
    "1 for the verdict of a check: INCONCLUSIVE or FAIL; the controller decides on PASS.",
    ("check", "verdict"),
)
ABORTED = MetricDeclaration(
    "gateway_trial_aborted", MetricKind.GAUGE, "1 once this gateway took the challenger's traffic away."
)

METRICS = (WEIGHT, REQUESTS, ERRORS, LOG_E, THRESHOLD, OBSERVATIONS, VERDICT, ABORTED)
_VERDICTS = (Outcome.INCONCLUSIVE, Outcome.FAIL)


def trial_samples(state: GatewayState) -> Iterator[Sample]:
    """The state of the trial in progress, if there is one."""
    trial = state.trial
    if trial is None:
        return
    challenger = trial.challenger
    yield Sample(WEIGHT, (challenger.model.version, challenger.mode.value), challenger.weight)
    yield Sample(ABORTED, (), int(challenger.model.digest == state.aborted))
    for name, arm in (("challenger", trial.arms[True]), ("champion", trial.arms[False])):
        yield Sample(REQUESTS, (name,), arm.requests)
        yield Sample(ERRORS, (name,), arm.errors)
    for check in trial.guard.states():
        label = check.check.value
        yield Sample(LOG_E, (label,), check.log_e)
        yield Sample(THRESHOLD, (label,), check.threshold_log_e)
        yield Sample(OBSERVATIONS, (label,), check.observations)
        for verdict in _VERDICTS:
            yield Sample(VERDICT, (label, verdict.value), int(check.outcome is verdict))
