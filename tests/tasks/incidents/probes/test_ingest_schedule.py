"""An ingest that is due and that nobody starts is found, also without Prefect; without a schedule nothing is due."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from healing.incident import Cause
from tasks.incidents.probes import ingest_schedule
from tasks.incidents.probes.ingest_schedule import IngestSchedule, latest_due
from tasks.ingestion.run_record import SCHEDULE, failure_recorder, record_end, record_start
from tasks.lake.write_locks import WriteLock, write_lock
from tests.published import PIPELINE
from tests.tasks.incidents.contexts import probe_context

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


class PrefectApi(ThreadingHTTPServer):
    """Answers the requests as Prefect 3.8.8 does. `runs` are (seconds from now, state type, state name)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.active, self.paused, self.silent = True, False, False
        self.runs = []
        self.last_polled = None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        polled = {"last_polled": None if self.server.last_polled is None else self.server.last_polled.isoformat()}
        found = {"id": "d", "paused": self.server.paused, "parameters": {"pipeline": PIPELINE}, **polled}
        self._answer({**found, "schedules": [{"active": self.server.active, "schedule": {"cron": "15 * * * *"}}]})

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["content-length"])))["flow_runs"]["expected_start_time"]
        runs = [run for run in self.server.runs if ("after_" in wanted) == (run[0] > datetime.now(UTC))]
        fields = ("expected_start_time", "state_type", "state_name", "auto_scheduled")
        self._answer([dict(zip(fields, (str(at), kind, name, True), strict=True)) for at, kind, name in runs])

    def _answer(self, found):
        content = json.dumps(found).encode()
        self.send_response(500 if self.server.silent else 200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def prefect(monkeypatch):
    with PrefectApi() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("AUTOPILOT_PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def context(prefect, tmp_path, monkeypatch):
    with probe_context(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def probe(monkeypatch):
    """A probe that asks Prefect at every look and has run for long enough."""
    monkeypatch.setattr(ingest_schedule, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(ingest_schedule, "SETTLE_SECONDS", 0.0)
    return IngestSchedule()


def planned(*seconds, state="SCHEDULED", name="Scheduled"):
    return [(datetime.now(UTC) + timedelta(seconds=each), state, name) for each in seconds]


def found(probe, context):
    return [(problem.cause, problem.subject) for problem in probe.observe(context).present]


STALE = [(Cause.STALE_DATA, SCHEDULE)]


def test_without_an_active_schedule_nothing_is_due(probe, context, prefect):
    prefect.active = False
    prefect.runs = planned(-100)
    assert found(probe, context) == []
    prefect.active, prefect.paused = True, True
    assert found(probe, context) == []


@pytest.mark.parametrize(
    ("state", "name", "expected"),
    [
        ("SCHEDULED", "Late", STALE),
        ("CRASHED", "Crashed", STALE),
        ("SCHEDULED", "AwaitingConcurrencySlot", []),
        ("PENDING", "Pending", []),
        ("RUNNING", "Running", []),
        ("FAILED", "Failed", []),
        ("COMPLETED", "Completed", []),
    ],
)
def test_a_run_that_was_due_for_a_minute_must_have_been_taken_up(probe, context, prefect, state, name, expected):
    prefect.runs = planned(-60, state=state, name=name) + planned(3_540)
    assert found(probe, context) == expected


def test_a_worker_has_some_seconds_to_take_up_a_run(probe, context, prefect):
    prefect.runs = planned(-8, name="Late")
    assert found(probe, context) == []


@pytest.mark.parametrize(("polled_seconds", "expected"), [(1, []), (17, []), (60, STALE)])
def test_a_due_run_is_found_sooner_when_no_worker_asks_for_runs(probe, context, prefect, polled_seconds, expected):
    """A worker that is alive may be slow: it asks every two seconds, and more rarely after an outage of Prefect."""
    prefect.runs = planned(-3, name="Late")
    prefect.last_polled = datetime.now(UTC) - timedelta(seconds=polled_seconds)
    assert found(probe, context) == expected
    prefect.runs = planned(-3, state="PENDING", name="Pending")
    assert found(probe, context) == []


def test_a_run_that_is_due_and_that_nobody_planned_is_found_while_prefect_answers(probe, context, prefect):
    prefect.runs = planned(-4_200, -600, state="COMPLETED", name="Completed")
    prefect.runs += planned(3_000)
    assert found(probe, context) == []
    probe._dues = (*probe._dues[:-1], datetime.now(UTC) - timedelta(seconds=60))  # the time passes
    prefect.runs = prefect.runs[:2]
    assert found(probe, context) == STALE


def test_prefect_that_fails_is_no_excuse(probe, context, prefect):
    prefect.runs = planned(-3_660, -60)
    assert found(probe, context) == STALE
    prefect.silent = True
    fresh = IngestSchedule()  # another healer, which knows the due times from the file
    assert found(fresh, context) == STALE
    record_start(context.ledger, PIPELINE, "run")
    record_end(context.ledger, PIPELINE, "run", 0)
    assert found(fresh, context) == []


def test_an_ingest_that_runs_now_has_started(probe, context, prefect):
    prefect.runs = planned(-60)
    context.settings.lake_root(PIPELINE).mkdir(parents=True)
    with write_lock(context.settings.lake_root(PIPELINE), WriteLock.INGEST):
        assert found(probe, context) == []


def test_a_killed_run_is_found_and_one_that_goes_on_or_ended_is_not(probe, context, prefect):
    """Nothing else would finish it until the next due time, or ever where nothing is scheduled."""
    prefect.active = False
    root = context.settings.lake_root(PIPELINE)
    root.mkdir(parents=True)
    record_start(context.ledger, PIPELINE, "run")
    with write_lock(root, WriteLock.INGEST):
        assert found(probe, context) == []
    assert found(probe, context) == STALE
    record_start(context.ledger, PIPELINE, "second")
    failure_recorder(context.ledger, PIPELINE, "second")(OSError, OSError("no source"), None)
    assert found(probe, context) == []
    record_start(context.ledger, PIPELINE, "third")
    record_end(context.ledger, PIPELINE, "third", 1)
    assert found(probe, context) == []


def test_what_fell_due_before_the_healer_started_gets_a_minute(context, prefect, monkeypatch):
    prefect.runs = planned(-60)
    sighting = IngestSchedule().observe(context)
    assert (sighting.present, sighting.readable) == ((), False)
    monkeypatch.setattr(ingest_schedule, "SETTLE_SECONDS", 0.0)
    assert found(IngestSchedule(), context) == STALE


def test_another_pipelines_schedule_is_not_ours(probe, context, prefect):
    prefect.runs = planned(-60)
    other = replace(context, pipeline=context.pipeline.model_copy(update={"name": "other"}))
    assert found(probe, other) == []


def test_without_prefect_no_ingest_is_scheduled(tmp_path, monkeypatch):
    with probe_context(tmp_path, monkeypatch) as context:
        sighting = IngestSchedule().observe(context)
    assert (sighting.present, sighting.reason) == ((), "no ingest is scheduled")


def test_due_times_go_on_at_their_own_distance_after_the_last_known_one():
    dues = [NOW - 3 * HOUR, NOW - 2 * HOUR]
    assert latest_due([], NOW) is None
    assert latest_due([NOW + HOUR], NOW) is None
    assert latest_due([NOW - HOUR], NOW) == NOW - HOUR
    assert latest_due([*dues, NOW + HOUR], NOW) == NOW - 2 * HOUR
    assert latest_due(dues, NOW - HOUR / 2) == NOW - HOUR
