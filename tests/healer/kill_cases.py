"""What is broken before a healer is killed, one case per remedy, and the crash points that the fast tests kill at."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from healing.evidence import Evidence
from healing.incident import Cause, Remedy, Status
from healing.verdict import Outcome, Verdict
from releases.store import ModelStore
from tasks.ingestion.run_record import record_end
from tasks.ledger.records import CheckRecord
from tasks.runtime.file_locks import exclusive
from tasks.runtime.restart_requests import SUPERVISOR_LOCK, take_request
from tests.flows.release_bench import Bench
from tests.published import PIPELINE, bootstrap, corrupt, start_canary
from tests.tasks.incidents.operate_port import OperatePort

MONTH_SECONDS = 30 * 24 * 3_600.0


@dataclass(frozen=True)
class Case:
    """What is broken, and the crash points that the fast tests kill at; the drill kills at all of them.

    `policy` is that of the pipeline. The healer observes a gateway if it `needs_gateway`. `until` is the function of
    `tests.healer.killed` that heals, `beside` runs meanwhile.
    """

    cause: Cause
    prepare: Callable[[Bench, OperatePort], None]
    points: tuple[str, ...]
    status: Status = Status.RECOVERED
    policy: str = "{}"
    needs_gateway: bool = False
    until: str = "heal_until_ended"
    beside: Callable[[Bench, OperatePort], AbstractContextManager[None]] = lambda *_: nullcontext()


def fail_check(bench: Bench, digest: str) -> None:
    """A check that failed for the model, and the incident."""
    now = datetime.now(UTC)
    with bench.ledger() as ledger:
        worse = Verdict("promotion", Outcome.FAIL, "loses 0.03 more than the one before", 900)
        ledger.record_check(CheckRecord(PIPELINE, Cause.BAD_CANDIDATE, worse, now, now, now))
        ledger.record_evidence(Evidence(PIPELINE, Cause.BAD_CANDIDATE, digest, "monitor", now))


def bad_challenger(bench: Bench, _: OperatePort) -> None:
    champion, challenger = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion)
    start_canary(bench.root, challenger, 0.5)
    fail_check(bench, challenger.digest)


def bad_champion(bench: Bench, _: OperatePort) -> None:
    older, champion = bench.publish(1), bench.publish(2)
    bootstrap(bench.root, champion, fallbacks=(older,))
    fail_check(bench, champion.digest)


def failing_until_restarted(bench: Bench, port: OperatePort) -> None:
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    port.workers[champion.digest] = "ready"
    port.problems = lambda: [] if port.restarts else [("model_failing", champion.digest)]


def away_until_waited_for(bench: Bench, port: OperatePort) -> None:
    """The problem ends once the healer has begun to wait, however long that takes."""
    bootstrap(bench.root, bench.publish(1))

    def problems() -> list[tuple[str, str]]:
        with bench.ledger() as ledger:
            waited_for = any(incident.attempts for incident in ledger.incidents(PIPELINE))
        return [] if waited_for else [("store_unavailable", "log")]

    port.problems = problems


def nobody_can_treat(bench: Bench, _: OperatePort) -> None:
    bootstrap(bench.root, bench.publish(1))
    with bench.ledger() as ledger:
        ledger.record_evidence(Evidence(PIPELINE, Cause.UNKNOWN, "primary", "test", datetime.now(UTC)))


def files_that_nobody_needs(bench: Bench, port: OperatePort) -> None:
    """The disk is full until the working directory of a flow run and two models that nothing names are deleted."""
    bootstrap(bench.root, bench.publish(1))
    store = ModelStore(bench.root)
    unneeded = [store.path(bench.publish(seed).digest) for seed in (2, 3)]
    leftover = bench.settings.home / "tmp" / "run" / "a.txt"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"x" * 5000)
    then = time.time() - MONTH_SECONDS
    for path in (bench.settings.home, *bench.settings.home.rglob("*")):
        os.utime(path, (then, then))

    def problems() -> list[tuple[str, str]]:
        found = [path for path in unneeded if path.exists()]
        found += [*(bench.settings.home / "tmp").iterdir(), *(bench.root / "models").glob(".*")]
        return [("disk_full", "log")] if found else []

    port.problems = problems


def damaged_with_a_sound_copy(bench: Bench, port: OperatePort) -> None:
    """Two files of a model are wrong, and the gateway has a copy."""
    champion = bench.publish(1)
    bootstrap(bench.root, champion)
    shutil.copytree(bench.root, bench.settings.gateway_dir(PIPELINE) / "cache")
    corrupt(bench.root, champion)
    store = ModelStore(bench.root)
    (store.path(champion.digest) / "manifest.json").unlink()
    port.workers[champion.digest] = "ready"

    def problems() -> list[tuple[str, str]]:
        try:
            store.verify(champion.digest, bench.keys.public)
        except Exception:  # noqa: BLE001 - a damaged file is met in many ways
            return [("model_corrupt", champion.digest)]
        return []

    port.problems = problems


def damaged_log_with_a_sound_copy(bench: Bench, _: OperatePort) -> None:
    """Two documents of the release log are damaged, and the gateway, which serves on, has a copy."""
    first = bench.publish(1)
    bootstrap(bench.root, first)
    bench.promote_now(bench.publish(2))
    shutil.copytree(bench.root, bench.settings.gateway_dir(PIPELINE) / "cache")
    for generation in (2, 3):
        (bench.root / "log" / f"{generation:08d}.json").write_bytes(b"{")


def silent_until_restarted(bench: Bench, port: OperatePort) -> None:
    bootstrap(bench.root, bench.publish(1))
    port.is_silent = True


@contextmanager
def supervisor(bench: Bench, port: OperatePort) -> Iterator[None]:
    """Restarts the gateway when it is asked to, as `autopilot up` does; the gateway then answers."""
    home, stop = bench.settings.home, threading.Event()

    def supervise() -> None:
        while not stop.wait(0.02):
            if take_request(home, "gateway") is not None:
                port.restarts.append("service")
                port.is_silent = False

    thread = threading.Thread(target=supervise)
    with exclusive(home / SUPERVISOR_LOCK, seconds_max=60):
        thread.start()
        yield
        stop.set()
        thread.join()


def slow_source(bench: Bench, _: OperatePort) -> None:
    """The first of two sources was slow in the last two runs of ingest."""
    bootstrap(bench.root, bench.publish(1))
    file = bench.settings.pipelines_dir / PIPELINE / "pipeline.yaml"
    other = 'sources: [{name: slow, kind: http, url: "http://127.0.0.1:9"}, '
    file.write_text(file.read_text().replace("sources: [", other))
    with bench.ledger() as ledger:
        for seconds in (1.0,) * 8 + (60.0,) * 2:
            record_end(ledger, PIPELINE, "run", 1, {"slow": seconds, "only": 1.0})


def stranded_trial(bench: Bench, _: OperatePort) -> None:
    """A trial that no controller observes and that is too old to be resumed."""
    bootstrap(bench.root, bench.publish(1))
    start_canary(bench.root, bench.publish(2), 0.5)


def old_evidence(bench: Bench, cause: Cause, subject: str) -> None:
    """Evidence that ingestion has not treated for an hour."""
    with bench.ledger() as ledger:
        observed_at = datetime.now(UTC) - timedelta(hours=1)
        ledger.record_evidence(Evidence(PIPELINE, cause, subject, "ingest", observed_at))


REMEDY_CASES = {
    Remedy.WAIT: Case(Cause.STORE_UNAVAILABLE, away_until_waited_for, ("heal.applied_recorded",), needs_gateway=True),
    Remedy.SWITCH_SOURCE: Case(Cause.SOURCE_SLOW, slow_source, ("switch_source.avoided",)),
    Remedy.FREE_DISK: Case(
        Cause.DISK_FULL,
        files_that_nobody_needs,
        ("free_disk.renamed", "free_disk.removed"),
        policy="{disk_full: [free_disk]}",
        needs_gateway=True,
    ),
    Remedy.RESTART_WORKER: Case(
        Cause.MODEL_FAILING,
        failing_until_restarted,
        ("heal.attempt_started", "heal.applied_recorded"),
        needs_gateway=True,
    ),
    Remedy.RESTART_SERVICE: Case(
        Cause.GATEWAY_DOWN,
        silent_until_restarted,
        ("restart_service.requested",),
        policy="{gateway_down: [restart_service]}",
        needs_gateway=True,
        beside=supervisor,
    ),
    Remedy.ABORT_CANARY: Case(Cause.BAD_CANDIDATE, bad_challenger, ("heal.remedy_applied",)),
    Remedy.ROLLBACK: Case(
        Cause.BAD_CANDIDATE,
        bad_champion,
        ("rollback.committed", "heal.attempt_finished"),
    ),
    Remedy.REPUBLISH: Case(
        Cause.MODEL_CORRUPT,
        damaged_with_a_sound_copy,
        ("republish.file_restored",),
        needs_gateway=True,
    ),
    Remedy.PAUSE_PIPELINE: Case(
        Cause.BAD_CANDIDATE,
        bad_champion,
        ("pause_pipeline.recorded",),
        Status.ESCALATED,
        "{bad_candidate: [pause_pipeline]}",
    ),
    Remedy.ESCALATE: Case(Cause.UNKNOWN, nobody_can_treat, ("heal.escalated",), Status.ESCALATED),
}
OTHER_CASES = {
    "approval": Case(
        Cause.BAD_CANDIDATE,
        bad_champion,
        ("heal.approval_asked",),
        Status.DIAGNOSED,
        "{bad_candidate: {remedies: [rollback], approval: [rollback]}}",
        until="heal_until_asked",
    ),
    "damaged log": Case(
        Cause.STORE_UNAVAILABLE,
        damaged_log_with_a_sound_copy,
        ("republish.file_restored",),
        until="heal_without_patience",
    ),
    "stranded trial": Case(Cause.BAD_CANDIDATE, stranded_trial, ("heal.trial_aborted",), until="heal_until_no_trial"),
}
CASES = {str(name): case for name, case in (REMEDY_CASES | OTHER_CASES).items()}
