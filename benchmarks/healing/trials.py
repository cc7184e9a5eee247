"""One trial of each fault: break it, and measure until the system has healed it. Times are seconds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks.healing.stack import PIPELINE, POLL_SECONDS, StackUnderTest, TooLate, stopped, until
from chaos.faults.changed_file import ChangedFile
from chaos.load.answer import read_answers
from chaos.load.request import Request, write_requests

RATE_PER_SECOND = 20.0
HEALED_SECONDS_MAX = 120.0
NEVER_SECONDS = 30.0  # after which a trial counts as not healed, where the version before never heals


@dataclass(frozen=True, slots=True)
class Healed:
    """One trial. A time is None if it did not come within its limit."""

    released_seconds: float | None  # until another champion serves
    recovered_seconds: float | None  # until the incident is RECOVERED, verification and hold included
    release_after_evidence_seconds: float | None  # from the first evidence in the ledger to the release in the log
    requests_failed: int


def corrupt_model(stack: StackUnderTest, scratch: Path, seconds_max: float = HEALED_SECONDS_MAX) -> Healed:
    """The champion's file is corrupted and its worker is killed under load."""
    return _corrupted(stack, scratch, stack.next_model(), seconds_max)


def _corrupted(stack: StackUnderTest, scratch: Path, digest: str, seconds_max: float) -> Healed:
    with load(stack, scratch, RATE_PER_SECOND, HEALED_SECONDS_MAX * 2) as answers:
        _corrupt(stack, digest, scratch)
        _kill_worker(stack, digest)
        began = time.monotonic()
        released = _seconds(lambda: stack.champion() not in ("", digest), seconds_max, began)
        recovered = _seconds(lambda: _ended(stack, "model_corrupt", digest, "recovered"), seconds_max, began)
    failed = sum(answer.status != httpx.codes.OK for answer in read_answers(answers))
    after = _release_after_evidence(stack, digest)
    return Healed(released, recovered, after, failed)


def corrupt_model_without_control_plane(stack: StackUnderTest, scratch: Path, seconds_max: float) -> Healed:
    """The same while Prefect's server and worker are stopped, and MLflow's files are away."""
    digest = stack.next_model()
    with stopped([stack.service("worker"), stack.service("prefect")]), _away(stack.home / "mlflow"):
        return _corrupted(stack, scratch, digest, seconds_max)


@contextmanager
def _away(folder: Path) -> Iterator[None]:
    """The folder is away while the block runs. Whatever took its place is removed."""
    aside = folder.with_name(f"{folder.name}.away")
    folder.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


def source_dead(stack: StackUnderTest) -> float | None:
    """Seconds from a scheduled ingest being due, while the primary source hangs, to its batch in the ledger."""
    with stopped([stack.service("feed")]):
        day = advance_clock(stack)
        began = time.monotonic()
        start_flow(stack, "ingest/ingest")
        return _seconds(lambda: _accepted(stack, day), HEALED_SECONDS_MAX, began)


def healer_killed(stack: StackUnderTest) -> float | None:
    """Seconds from the kill of the healer to another that leads."""
    [(token,)] = stack.rows("SELECT max(token) FROM leases WHERE name LIKE 'healer%'")
    stack.service("healer").kill()
    query = "SELECT token FROM leases WHERE name LIKE 'healer%' AND holder <> '' AND token > ?"
    return _seconds(lambda: stack.rows(query, token), HEALED_SECONDS_MAX, time.monotonic())


def advance_clock(stack: StackUnderTest) -> date:
    """Let the source's next day become due; that day."""
    with httpx.Client(base_url=stack.addresses["mirror"], timeout=10.0, trust_env=False) as mirror:
        last = date.fromisoformat(mirror.get("/days").raise_for_status().json()["last"])
        day = last + timedelta(days=1)
        mirror.put("/clock", json={"day": day.isoformat()}).raise_for_status()
    return day


def start_flow(stack: StackUnderTest, deployment: str) -> str:
    """Create a run, as a schedule does; its id."""
    with httpx.Client(base_url=stack.addresses["prefect"], timeout=30.0, trust_env=False) as prefect:
        found = prefect.get(f"/deployments/name/{deployment}").raise_for_status().json()["id"]
        body = {"parameters": {"pipeline": PIPELINE}}
        answer = prefect.post(f"/deployments/{found}/create_flow_run", json=body)
        while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # on SQLite it asks its clients to ask again
            time.sleep(POLL_SECONDS)
            answer = prefect.post(f"/deployments/{found}/create_flow_run", json=body)
    return str(answer.raise_for_status().json()["id"])


@contextmanager
def load(stack: StackUnderTest, scratch: Path, rate_per_second: float, seconds_max: float) -> Iterator[Path]:
    """Requests at a constant rate while the block runs; yields the file of their answers."""
    requests, answers = scratch / "requests", scratch / "answers.ndjson"
    if not requests.exists():
        write_requests(requests / "0.ndjson", [Request("example", _example(stack))])
    command = ["-m", "chaos.load", "--url", f"{stack.addresses['gateway']}/invocations", "--requests", str(requests)]
    command += ["--answers", str(answers), "--rate", str(rate_per_second), "--seconds-max", str(seconds_max)]
    with subprocess.Popen([sys.executable, *command]) as process:
        until(lambda: answers.exists() and answers.stat().st_size > 0, 30, "the load runs")
        try:
            yield answers
        finally:
            process.terminate()
            process.wait(30)


def _example(stack: StackUnderTest) -> bytes:
    """The body of a request that the champion answers."""
    command = [sys.executable, "-m", "cli", "example", PIPELINE, "--home", str(stack.home)]
    return subprocess.run(command, cwd=stack.tree, capture_output=True, check=True, timeout=120).stdout


def _corrupt(stack: StackUnderTest, digest: str, scratch: Path) -> None:
    folder = stack.home / "releases" / PIPELINE / "models" / digest
    path = folder / json.loads((folder / "manifest.json").read_bytes())["model_file"]
    ChangedFile.prepare(path, scratch / "originals" / digest, "flip").inject()


def _kill_worker(stack: StackUnderTest, digest: str) -> None:
    state = stack.release_state()
    assert state is not None
    [pid] = [worker["pid"] for worker in state["workers"] if worker["digest"] == digest]
    os.kill(pid, signal.SIGKILL)


def _seconds(condition: Callable[[], object], seconds_max: float, began: float) -> float | None:
    """Seconds since `began` until the condition came true; None if that took longer than `seconds_max`."""
    try:
        until(condition, max(0.1, seconds_max - (time.monotonic() - began)), "healed")
    except TooLate:
        return None
    return time.monotonic() - began


def _ended(stack: StackUnderTest, cause: str, subject: str, status: str) -> bool:
    query = "SELECT id FROM incidents WHERE cause = ? AND subject = ? AND status = ?"
    return bool(stack.rows(query, cause, subject, status))


def _accepted(stack: StackUnderTest, day: date) -> bool:
    query = "SELECT accepted FROM batches WHERE \"table\" = 'flights' AND day = ? AND status = 'accepted'"
    return bool(stack.rows(query, day.isoformat()))


def _release_after_evidence(stack: StackUnderTest, digest: str) -> float | None:
    """Seconds from the first evidence to the release that replaced the model, by the wall clock of one machine."""
    found = stack.rows("SELECT detected_at FROM incidents WHERE subject = ? ORDER BY detected_at", digest)
    releases = sorted((stack.home / "releases" / PIPELINE / "log").glob("*.json"))
    newest = json.loads(releases[-1].read_bytes())
    if not found or newest["reason"] != "rollback":
        return None
    detected = datetime.fromisoformat(f"{found[0][0]}+00:00")
    return (datetime.fromisoformat(newest["created_at"]) - detected).total_seconds()
