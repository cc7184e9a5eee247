"""Waiting for a person, in Prefect's way and without it: the run is paused, and any end of the wait resumes it."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from uuid import UUID, uuid4

import httpx
import structlog
from prefect import pause_flow_run
from prefect.exceptions import FlowPauseTimeout, NotPausedError
from prefect.flow_runs import resume_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run

from healing.errors import Transient
from tasks.rollout.approval import Answer

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
_MARGIN_SECONDS = 600  # Prefect's own timeout fails the run, so ours, which refuses the model, comes before it

Settled = Callable[[], Answer | None]


class ReleaseApproval(RunInput):
    """The form that Prefect shows where a release waits: yes or no, and who says so."""

    approve: bool
    by: str
    reason: str = ""


def await_answer(settled: Settled, description: str, seconds_max: float) -> Answer:
    """Pause this flow run until `settled` has an answer, or a person gives one on Prefect's page.

    A watcher resumes the run when the wait is over by any other way: an answer in the ledger (`autopilot release
    approve`), a trial that was ended, too long a time. Where Prefect cannot pause or does not answer, the wait goes on
    without it: then the ledger is the only door.
    """
    answer, run_id = settled(), flow_run.get_id()
    if answer is not None:
        return answer
    if run_id is None:  # no run of a flow, so nothing to pause
        return _wait(settled)
    try:
        with _resumed_when(settled, UUID(str(run_id))):
            given = pause_flow_run(
                wait_for_input=ReleaseApproval.with_initial_data(description=description),
                timeout=int(seconds_max) + _MARGIN_SECONDS,
                poll_interval=1,
                key=uuid4().hex,
            )
    except (httpx.HTTPError, RuntimeError, FlowPauseTimeout) as exc:
        log.warning("not_paused_in_prefect", cause=repr(exc))
        return _wait(settled)
    return _wait(settled) if given is None else Answer(given.approve, given.by, given.reason)


@contextmanager
def _resumed_when(settled: Settled, run_id: UUID) -> Iterator[None]:
    """The flow run is resumed with the answer, once there is one while the block waits."""
    over = threading.Event()
    context = contextvars.copy_context()  # Prefect keeps its settings there, the API's address among them
    watcher = threading.Thread(target=context.run, args=(_watch, settled, run_id, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(settled: Settled, run_id: UUID, over: threading.Event) -> None:
    while not over.wait(LOOK_SECONDS):
        try:
            answer = settled()
            if answer is not None:
                resume_flow_run(run_id, run_input=asdict(answer))
        except NotPausedError:
            continue  # not paused yet, or resumed on Prefect's page: the block ends by itself
        except (Transient, httpx.HTTPError, RuntimeError) as exc:  # RuntimeError: its form is not written down yet
            log.info("not_resumed", cause=repr(exc))


def _wait(settled: Settled) -> Answer:
    while True:
        try:
            answer = settled()
        except Transient as exc:
            log.warning("answer_not_read", cause=str(exc))
        else:
            if answer is not None:
                return answer
        time.sleep(LOOK_SECONDS)
