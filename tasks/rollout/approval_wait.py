"""Asks a person for an approval and waits for the answer: the flow run is paused in Prefect until the wait is over."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from uuid import UUID, uuid4

import httpx
import structlog
from prefect import pause_flow_run
from prefect.exceptions import FlowPauseTimeout, NotPausedError
from prefect.flow_runs import resume_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run

from healing.errors import AutopilotError, Transient
from healing.promotion import Decision, Exposure
from tasks.config.release_section import ReleaseRules
from tasks.rollout.approval import (
    ApprovalAnswer,
    ApprovalQuestion,
    answer_to,
    give_answer,
    version_question,
    waiting_for_answer,
)
from tasks.rollout.progress import Phase
from tasks.rollout.rollout import Rollout, StageEnd
from tasks.rollout.rollout_status import ProgressReporter
from tasks.rollout.trial import ended_elsewhere
from tasks.rollout.trial_history import current_release, end_of_trial, on_trial
from tasks.runtime import crash_points as points

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
_MARGIN_SECONDS = 600  # Prefect's timeout fails the run; ours refuses the model, so it must come first

Answered = Callable[[], ApprovalAnswer | None]


class ReleaseApproval(RunInput):
    """The form that Prefect shows where a release waits: yes or no, and who answers."""

    approve: bool
    by: str
    reason: str = ""


def approve_version(rollout: Rollout, rules: ReleaseRules, reporter: ProgressReporter) -> Rollout | StageEnd:
    """The rollout with its approval in the note, or how its trial ends without an approval."""
    answer = request_approval(rollout, rules, version_question(rollout.release_root, rollout.model), reporter)
    if isinstance(answer, StageEnd):
        return answer
    return replace(rollout, note="; ".join(text for text in (rollout.note, answer.in_words) if text))


def request_approval(
    rollout: Rollout, rules: ReleaseRules, question: ApprovalQuestion, reporter: ProgressReporter
) -> ApprovalAnswer | StageEnd:
    """The approval, or how the trial ends: after a refusal, without an answer, or because another writer ended it."""
    if rollout.approved_by is not None and answer_to(rollout.journal, question) is None:
        in_advance = ApprovalAnswer(approve=True, by=rollout.approved_by, reason="in advance")
        give_answer(rollout.journal, question.id, in_advance)
    trial = current_release(rollout.release_root)
    answered = waiting_for_answer(rollout, question, rules.approval_seconds_max)
    points.reached("release.asked", question=question.id)
    if answered() is None:
        how = f"autopilot release approve {rollout.pipeline} --by NAME"
        reporter.report_again(phase=Phase.ASKING, question=f"{question.text} `{how}`")
    answer = await_answer(answered, question.text, rules.approval_seconds_max)
    if answer_to(rollout.journal, question) is None:
        give_answer(rollout.journal, question.id, answer)
    points.reached("release.answered", question=question.id)
    if answer.approve:
        return answer
    nothing = Exposure(0, 0, 0)
    if on_trial(trial, rollout.model):
        ended_by = end_of_trial(rollout.release_root, trial, rollout.model)
        if ended_by is not None:
            return ended_elsewhere(ended_by, nothing)
    return StageEnd(Decision.INCONCLUSIVE, nothing, answer.in_words)


def await_answer(answered: Answered, description: str, seconds_max: float) -> ApprovalAnswer:
    """Pause this flow run until `answered` returns an answer, or a person fills in the form on Prefect's page.

    A thread resumes the run when the wait ends in another way: by an answer in the ledger (`autopilot release
    approve`), by the end of the trial, or after too long. When Prefect cannot pause the run or does not respond, the
    wait continues without it, and the answer can come only from the ledger.
    """
    answer, run_id = answered(), flow_run.get_id()
    if answer is not None:
        return answer
    if run_id is None:  # not inside a flow run, so there is nothing to pause
        return _wait(answered)
    try:
        with _resumed_when(answered, UUID(str(run_id))):
            given = pause_flow_run(
                wait_for_input=ReleaseApproval.with_initial_data(description=description),
                timeout=int(seconds_max) + _MARGIN_SECONDS,
                poll_interval=1,
                key=uuid4().hex,
            )
    except (httpx.HTTPError, RuntimeError, FlowPauseTimeout) as exc:
        log.warning("not_paused_in_prefect", cause=repr(exc))
        return _wait(answered)
    return _wait(answered) if given is None else ApprovalAnswer(given.approve, given.by, given.reason)


@contextmanager
def _resumed_when(answered: Answered, run_id: UUID) -> Iterator[None]:
    """While the block waits, resume the flow run with the answer as soon as there is one."""
    over = threading.Event()
    context = contextvars.copy_context()  # it carries Prefect's settings, among them the address of the API
    watcher = threading.Thread(target=context.run, args=(_watch, answered, run_id, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(answered: Answered, run_id: UUID, over: threading.Event) -> None:
    while not over.wait(POLL_SECONDS):
        try:
            answer = answered()
            if answer is not None:
                resume_flow_run(run_id, run_input=asdict(answer))
        except NotPausedError:
            continue  # not paused yet, or resumed on Prefect's page: then the block ends by itself
        except (AutopilotError, OSError, httpx.HTTPError, RuntimeError) as exc:  # RuntimeError: no form is stored yet
            log.warning("not_resumed", cause=repr(exc))  # without this thread, nobody sees the answer


def _wait(answered: Answered) -> ApprovalAnswer:
    while True:
        try:
            answer = answered()
        except Transient as exc:
            log.warning("answer_not_read", cause=str(exc))
        else:
            if answer is not None:
                return answer
        time.sleep(POLL_SECONDS)
