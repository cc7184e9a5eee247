"""Approval of a major version: the wait ends by an answer in the ledger or in Prefect, or with the trial."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.flow_runs import resume_flow_run

from flows.release import release
from healing.errors import Conflict, UsageError
from healing.release import ModelRef, Reason
from tasks.config.release_section import ApprovalRule, ReleaseRules
from tasks.rollout import approval_wait
from tasks.rollout.approval import ApprovalAnswer, answer_rollout, answer_to, needs_approval, version_question
from tasks.rollout.approval_wait import approve_version, await_answer
from tasks.rollout.progress import Phase
from tasks.rollout.release_changes import abort_by_person, abort_trial
from tasks.rollout.rollout import ReleaseOutcome, Rollout, RolloutResult
from tasks.rollout.rollout_status import ProgressReporter, read_rollout_status
from tests.flows.release_bench import Bench, make_bench, traffic
from tests.gateway.running import wait_until
from tests.published import PIPELINE, bootstrap, publish_tiny_model

SHADOW = "{mode: shadow, weight: 1.0, requests_min: 20, deadline_seconds: 60}"
HALF = "{mode: canary, weight: 0.5, requests_min: 20, deadline_seconds: 60}"


class Waiting:
    """The rollout of a major version in a thread; it asks for approval once its shadow stage has passed."""

    def __init__(self, bench: Bench, candidate: ModelRef, **options: str) -> None:
        self.bench = bench
        self.outcome: ReleaseOutcome | None = None
        self._options = options
        self._candidate = candidate
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.outcome = release(PIPELINE, self._candidate.digest, **self._options)

    def until_asked(self) -> None:
        def asking() -> bool:
            progress = read_rollout_status(self.bench.root, self.bench.settings.ledger_dsn, PIPELINE).progress
            return progress is not None and progress.phase is Phase.ASKING

        wait_until(asking, "the rollout asks a person")

    def answer(self, answer: ApprovalAnswer) -> str:
        return answer_rollout(self.bench.root, self.bench.settings.ledger_dsn, PIPELINE, answer)

    def ended(self) -> ReleaseOutcome:
        self._thread.join(120)
        assert self.outcome is not None, "the rollout has not ended"
        return self.outcome


@pytest.fixture
def rollout(tmp_path, monkeypatch) -> Iterator:
    bench = make_bench(tmp_path, monkeypatch, f"{{stages: [{SHADOW}, {HALF}], approval_seconds_max: 100}}")
    champion = bench.publish(1)
    major = publish_tiny_model(bench.root, bench.keys, version="1.0.0", seed=2)
    bootstrap(bench.root, champion)

    @contextmanager
    def start(**options: str) -> Iterator[Waiting]:
        with bench.serve() as gateway:
            gateway.wait_for_generation(1)
            with traffic(gateway) as codes:
                yield Waiting(bench, major, **options)
            assert set(codes) == {200}

    return start


def test_an_approved_major_continues_and_the_log_names_the_person(rollout):
    with rollout(reason="new features") as waiting:
        waiting.until_asked()
        assert waiting.bench.current.reason is Reason.SHADOW  # no user gets an answer before the approval
        assert "1.0.0" in waiting.answer(ApprovalAnswer(approve=True, by="Ada", reason="checked the plots"))
        outcome = waiting.ended()
    assert outcome.result is RolloutResult.PROMOTED, outcome
    assert waiting.bench.current.note == "new features; approved by Ada: checked the plots"


def test_the_wait_ends_with_the_trial(rollout):
    """When the gateway, `heal` or a person aborts the trial, the question is void."""
    with rollout() as waiting:
        waiting.until_asked()
        abort_by_person(waiting.bench.root, PIPELINE, by="Ada", reason="wrong data", fence=True)
        outcome = waiting.ended()
    assert outcome.result is RolloutResult.ABORTED, outcome
    assert outcome.reason == "aborted by Ada: wrong data"
    fence = waiting.bench.current.fence_of(outcome.digest)
    assert fence is not None
    assert fence.by == "Ada"


def test_a_major_refused_on_prefects_form_is_taken_off_trial_without_a_fence(rollout):
    with rollout() as waiting:
        waiting.until_asked()
        refusal = {"approve": False, "by": "Grace", "reason": "not before the holidays"}
        wait_until(lambda: _resumed(refusal), "a paused run takes the answer")
        outcome = waiting.ended()
    assert outcome.result is RolloutResult.INCONCLUSIVE, outcome
    assert waiting.bench.current.note == "refused by Grace: not before the holidays"
    assert waiting.bench.current.fenced == ()


def test_an_approval_in_advance_asks_nobody(tmp_path, monkeypatch):
    bench = make_bench(tmp_path, monkeypatch)
    bootstrap(bench.root, bench.publish(1))
    major = publish_tiny_model(bench.root, bench.keys, version="1.0.0", seed=2)
    rollout = Rollout(
        PIPELINE, major, 0.25, bench.root, bench.settings.ledger_dsn, None, note="why", approved_by="Grace"
    )
    approved = approve_version(rollout, ReleaseRules(), ProgressReporter(bench.root, PIPELINE))
    assert isinstance(approved, Rollout)
    assert approved.note == "why; approved by Grace: in advance"
    question = version_question(bench.root, major)
    assert answer_to(rollout.journal, question) == ApprovalAnswer(approve=True, by="Grace", reason="in advance")


@pytest.mark.parametrize(
    ("rule", "candidate", "asked"),
    [("major", "2.0.0", True), ("major", "1.9.0", False), ("always", "1.0.1", True), ("never", "2.0.0", False)],
)
def test_the_rule_decides_which_versions_need_approval(rule, candidate, asked):
    assert needs_approval(ApprovalRule(rule), "1.2.3", candidate) is asked


def test_outside_a_flow_run_the_answer_comes_from_the_ledger():
    answers = iter([None, None, ApprovalAnswer(approve=True, by="Ada")])
    assert await_answer(lambda: next(answers), "may it?", 10).by == "Ada"


def test_an_answer_is_seen_after_the_release_log_could_not_be_read(monkeypatch):
    resumed = []
    over = threading.Event()
    failures = iter([Conflict("an empty log; was it moved?"), OSError(5, "Input/output error")])

    def answered() -> ApprovalAnswer:
        for failure in failures:
            raise failure
        return ApprovalAnswer(approve=True, by="Ada")

    def resume(run_id, run_input) -> None:
        resumed.append((run_id, run_input))
        over.set()

    monkeypatch.setattr(approval_wait, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(approval_wait, "resume_flow_run", resume)
    run_id = uuid4()
    approval_wait._watch(answered, run_id, over)
    assert resumed == [(run_id, {"approve": True, "by": "Ada", "reason": ""})]


def test_without_a_question_or_a_name_an_answer_is_refused(tmp_path, monkeypatch):
    bench = make_bench(tmp_path, monkeypatch)
    bootstrap(bench.root, bench.publish(1))
    with pytest.raises(UsageError, match="--approved-by"):
        answer_rollout(bench.root, bench.settings.ledger_dsn, PIPELINE, ApprovalAnswer(approve=True, by="Ada"))
    with pytest.raises(UsageError, match="name"):
        ApprovalAnswer(approve=True, by=" ")
    with pytest.raises(UsageError, match="'heal'"):
        abort_by_person(bench.root, PIPELINE, by="heal", reason="", fence=False)
    assert abort_trial(bench.root, None, author="test") is None


def _resumed(answer: dict[str, object]) -> bool:
    with get_client(sync_client=True) as client:
        paused = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PAUSED"]}}})
        runs = client.read_flow_runs(flow_run_filter=paused)
    for run in runs:
        try:
            resume_flow_run(UUID(str(run.id)), run_input=answer)
        except RuntimeError:  # its form is not stored yet
            return False
    return bool(runs)
