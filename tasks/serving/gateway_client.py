"""Client of a gateway: its state, its problems, its trial, and probes of the models that it serves."""

import atexit
import math
import ssl
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import httpx
import stamina
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from healing.diagnosis import ProblemSignal
from healing.errors import GatewayRefused, GatewayUnavailable
from healing.incident import Cause
from healing.slo import AnswerCounts
from healing.trial_rules import CheckState, TrialCheck
from healing.verdict import Outcome, Verdict
from releases.manifest import Manifest
from tasks.runtime.trust import trusted
from tasks.serving.operate_key import operating_client

TIMEOUT = httpx.Timeout(3.0, connect=1.0)  # seconds; on loopback a healthy router answers within milliseconds
POLL_SECONDS = 0.2  # the gateway polls the release log at the same interval
PROBE_PREFIX = "probe-"  # of the request ids of probes, so that monitoring can leave them out


# Load shedding and deadlines say something about the machine, not about the model.
_BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)


class _View(BaseModel):
    """A part of the gateway's documents; fields that are not needed here are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ReportedProblem(_View):
    code: Cause
    subject: str
    message: str = ""
    since: datetime


class ArmCounts(_View):
    """Requests of one arm since the stage began; in shadow, scored copies."""

    requests: int = 0
    errors: int = 0
    latency_p50_ms: float | None = None


class GatewayCheck(_View):
    """A check of the gateway's trial guard. JSON has no infinities, so missing evidence is None."""

    check: TrialCheck
    outcome: Outcome
    log_e: float | None = None
    threshold_log_e: float | None = None
    observations: int = 0
    votes: bool = True
    reason: str = ""

    def state(self) -> CheckState:
        return CheckState(
            check=self.check,
            outcome=self.outcome,
            log_e=-math.inf if self.log_e is None else self.log_e,
            threshold_log_e=math.inf if self.threshold_log_e is None else self.threshold_log_e,
            observations=self.observations,
            votes=self.votes,
            reason=self.reason,
        )


class GatewayTrial(_View):
    """The current trial: counts of the stage, evidence of the whole trial, and the check that aborts it (`reason`)."""

    digest: str
    generation: int
    challenger: ArmCounts
    champion: ArmCounts
    verdict: Outcome = Outcome.INCONCLUSIVE
    reason: TrialCheck | None = None
    checks: tuple[GatewayCheck, ...] = ()

    def states(self) -> tuple[CheckState, ...]:
        return tuple(check.state() for check in self.checks)


class GatewayWorker(_View):
    digest: str
    role: str
    state: str
    pid: int | None = None
    restarts: int = 0
    keeps_growing: bool = False


class ServedCounts(_View):
    good: int = 0
    degraded: int = 0
    failed: int = 0

    def counts(self) -> AnswerCounts:
        return AnswerCounts(self.good, self.degraded, self.failed)


class GatewayReport(_View):
    """What the gateway reports at `GET /release` of its operate port."""

    pipeline: str
    desired_generation: int
    active_generation: int
    problems: tuple[ReportedProblem, ...] = ()
    trial: GatewayTrial | None = None
    workers: tuple[GatewayWorker, ...] = ()
    served: ServedCounts = Field(default_factory=ServedCounts)

    def problems_of(self, digest: str) -> tuple[ReportedProblem, ...]:
        return tuple(problem for problem in self.problems if problem.subject == digest)

    def as_signals(self) -> tuple[ProblemSignal, ...]:
        return tuple(ProblemSignal(problem.code, problem.subject, problem.message) for problem in self.problems)


def read_gateway_once(operate_url: str) -> GatewayReport:
    """The gateway's state now; GatewayUnavailable when it does not answer, or answers with another document."""
    response = _request("GET", f"{operate_url}/release")
    try:
        return GatewayReport.model_validate_json(response.content)
    except ValidationError as exc:
        first = exc.errors()[0]
        raise GatewayUnavailable(
            f"expected the release state from {operate_url}/release, found {first['loc']}: {first['msg']}; "
            "the gateway may be of another version than this command"
        ) from exc


def _may_answer_soon(error: Exception) -> bool:
    return isinstance(error, GatewayUnavailable) and not isinstance(error, GatewayRefused)


@stamina.retry(on=_may_answer_soon, attempts=3, timeout=5, wait_initial=0.1, wait_max=1)
def read_gateway(operate_url: str) -> GatewayReport:
    """The gateway's state, with two retries within five seconds: a restart in progress is not an outage."""
    return read_gateway_once(operate_url)


@stamina.retry(on=_may_answer_soon, attempts=3, timeout=10, wait_initial=0.2)
def restart_worker(operate_url: str, digest: str) -> None:
    """Ask the gateway to replace the worker of one model."""
    _request("POST", f"{operate_url}/workers/{digest}/restart")


def await_gateway(
    operate_url: str, ready: Callable[[GatewayReport], bool], expected: str, seconds_max: float
) -> GatewayReport:
    """The gateway's state once `ready` accepts it; GatewayUnavailable says what was `expected` and what was found."""
    deadline = time.monotonic() + seconds_max
    found = "no answer"
    while True:
        try:
            state = read_gateway_once(operate_url)
        except GatewayUnavailable as exc:
            found = str(exc)
        else:
            if ready(state):
                return state
            problems = "; ".join(problem.message for problem in state.problems) or "no problem reported"
            found = f"generation {state.active_generation} of {state.desired_generation}, {problems}"
        if time.monotonic() >= deadline:
            raise GatewayUnavailable(
                f"expected {expected} within {seconds_max:g} s, found {found}; see {operate_url}/release"
            )
        time.sleep(POLL_SECONDS)


def await_generation(operate_url: str, generation: int, seconds_max: float) -> GatewayReport:
    """The gateway's state once `generation` or a later one is active; GatewayUnavailable after `seconds_max`."""
    return await_gateway(
        operate_url,
        lambda state: state.active_generation >= generation,
        f"generation {generation} to serve",
        seconds_max,
    )


def probe_model(predict_url: str, digest: str, manifest: Manifest) -> Verdict:
    """Send the model's golden rows to the gateway: PASS when this model answers them with its golden answers.

    INCONCLUSIVE when the gateway has not loaded the model; GatewayUnavailable when the gateway does not answer,
    GatewayRefused when it takes no probes of this program.
    """
    golden = manifest.golden
    body: dict[str, Any] = {"dataframe_split": {"columns": list(golden.columns), "data": [*map(list, golden.rows)]}}
    headers = {"x-model-digest": digest, "x-request-id": f"{PROBE_PREFIX}{uuid.uuid4()}"}
    try:
        with operating_client(TIMEOUT) as client:
            response = client.post(f"{predict_url}/invocations", json=body, headers=headers)
    except httpx.HTTPError as exc:
        raise GatewayUnavailable(f"expected an answer from {predict_url}/invocations, found {exc!r}") from exc
    count = len(golden.outputs)
    if response.status_code == httpx.codes.NOT_FOUND:
        return Verdict("probe", Outcome.INCONCLUSIVE, f"the gateway has not loaded {digest[:12]}", 0)
    if response.status_code in _BUSY:
        return Verdict("probe", Outcome.INCONCLUSIVE, f"the gateway is busy: status {response.status_code}", 0)
    if response.is_client_error:
        raise GatewayRefused(
            f"expected {predict_url}/invocations to pass the golden rows on to {digest[:12]}, found status "
            f"{response.status_code}: {response.text[:200]}; check the gateway's settings"
        )
    if response.status_code != httpx.codes.OK:
        found = f"status {response.status_code}: {response.text[:200]}"
        return Verdict("probe", Outcome.FAIL, found, count)
    answers = response.json()["predictions"]
    if response.headers.get("x-model-digest") != digest:
        return Verdict("probe", Outcome.FAIL, f"answered by {response.headers.get('x-model-digest')}", count)
    worst = _worst_difference(answers, manifest)
    right = len(answers) == count and worst <= golden.tolerance
    reason = "largest difference from the golden answers"
    return Verdict("probe", Outcome.PASS if right else Outcome.FAIL, reason, count, worst, golden.tolerance)


def _worst_difference(answers: list[Any], manifest: Manifest) -> float:
    """The largest distance from the golden answers; infinite where a label is another one."""
    golden, output = manifest.golden, manifest.output
    if output is None or output.is_plain:
        pairs = list(zip(answers, golden.outputs, strict=False))
    elif output.width:
        pairs = [
            pair for row, wanted in zip(answers, golden.matrix, strict=False) for pair in zip(row, wanted, strict=True)
        ]
    else:
        shown = output.shown(golden.outputs, ())
        pairs = [(0.0 if a == b else math.inf, 0.0) for a, b in zip(answers, shown, strict=False)]
    return max((abs(a - b) for a, b in pairs), default=math.inf)


@cache
def _client(trust: ssl.SSLContext | bool) -> httpx.Client:
    """One client per process: making one costs more processor time than a hundred requests."""
    client = operating_client(TIMEOUT, trust=trust)
    atexit.register(client.close)
    return client


def _request(method: str, url: str) -> httpx.Response:
    try:
        response = _client(trusted()).request(method, url)
        response.raise_for_status()
    except httpx.HTTPError as exc:
        raise GatewayUnavailable(f"expected the gateway to answer {method} {url}, found {exc!r}") from exc
    return response
