"""A stretch of sound load: ingest and monitor run again and again, requests are sent, and nothing is broken."""

import time
from pathlib import Path

import httpx

from benchmarks.healing.stack import PIPELINE, StackUnderTest, until
from benchmarks.healing.trials import advance_clock, load, start_flow
from chaos.load.answer import read_answers

RATE_PER_SECOND = 10.0
DAY_SECONDS = 180.0  # a day of data becomes due, is ingested and monitored
FLOW_SECONDS_MAX = 240.0
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def sound_load(stack: StackUnderTest, scratch: Path, minutes: float) -> dict[str, int]:
    """Counts after `minutes`: requests sent and not answered with 200, days, incidents by how they ended."""
    end = time.monotonic() + minutes * 60
    days = flows_failed = 0
    with load(stack, scratch, RATE_PER_SECOND, minutes * 60 + FLOW_SECONDS_MAX * 2) as answers:
        while time.monotonic() < end:
            due = time.monotonic() + DAY_SECONDS
            advance_clock(stack)
            flows_failed += _run(stack, "ingest/ingest") != "COMPLETED"
            flows_failed += _run(stack, "monitor/monitor") != "COMPLETED"
            days += 1
            time.sleep(max(0.0, min(due, end) - time.monotonic()))
    sent = list(read_answers(answers))
    opened = dict(stack.rows("SELECT status, count(*) FROM incidents GROUP BY status"))
    return {
        "requests": len(sent),
        "requests_failed": sum(answer.status != httpx.codes.OK for answer in sent),
        "days": days,
        "flows_failed": flows_failed,
        "incidents": sum(opened.values()) - opened.get("dismissed", 0),
        "incidents_dismissed": opened.get("dismissed", 0),
    }


def _run(stack: StackUnderTest, deployment: str) -> str:
    """Run a deployment to its end; its last state."""
    run = start_flow(stack, deployment)
    state = ""

    def ended() -> bool:
        nonlocal state
        answer = httpx.get(f"{stack.addresses['prefect']}/flow_runs/{run}", timeout=30.0, trust_env=False)
        state = answer.json()["state_type"] if answer.is_success else ""
        return state in _ENDED

    until(ended, FLOW_SECONDS_MAX, f"{deployment} of {PIPELINE} ends")
    return state
