"""A pause stops ingest, retrain and release until it is resumed, whoever began it, with and without Prefect."""

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from flows.ingest import ingest
from flows.release import release
from flows.retrain import retrain
from healing.errors import PipelinePaused
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy
from tasks.config.settings import load_settings
from tasks.incidents import pipeline_pause
from tasks.incidents.pipeline_pause import pause_pipeline, resume_pipeline
from tasks.incidents.remedy_registry import find_remedy, implementation_of
from tasks.ledger.pauses import current_pause, refuse_while_paused
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE
from tests.tasks.incidents.contexts import context


class Killed(Exception):
    """The process was killed here."""


class Handler(BaseHTTPRequestHandler):
    """Describes and changes the deployment of ingest as Prefect 3.8.8 does; there are no runs."""

    def do_GET(self):
        schedules = [{"active": self.server.active}]
        self._answer(
            {"id": "d", "paused": self.server.paused, "parameters": {"pipeline": PIPELINE}, "schedules": schedules}
        )

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self._answer([])

    def do_PATCH(self):
        self.server.paused = json.loads(self.rfile.read(int(self.headers["content-length"])))["paused"]
        self._answer({})

    def _answer(self, found):
        content = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def prefect(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.active, server.paused = True, False
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("AUTOPILOT_PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return make_bench(tmp_path, monkeypatch)


def paused(ledger, **changes):
    return pause_pipeline(load_settings(), ledger, PIPELINE, **{"by": "Ada", "reason": "bad source", **changes})


def test_a_paused_pipeline_starts_no_flow_until_it_is_resumed(bench):
    with bench.ledger() as ledger:
        refuse_while_paused(bench.settings.ledger_dsn, PIPELINE)
        assert paused(ledger).by == "Ada"
        assert paused(ledger, by="Bob") is None
        assert current_pause(ledger, PIPELINE).reason == "bad source"
        with pytest.raises(PipelinePaused, match=r"paused by Ada .* bad source; end the pause with `autopilot resume"):
            refuse_while_paused(bench.settings.ledger_dsn, PIPELINE)
        refuse_while_paused(bench.settings.ledger_dsn, "other")
        assert resume_pipeline(bench.settings, ledger, PIPELINE, by="Bob").by == "Ada"
        assert resume_pipeline(bench.settings, ledger, PIPELINE, by="Bob") is None
        refuse_while_paused(bench.settings.ledger_dsn, PIPELINE)
        assert paused(ledger, by="Bob").by == "Bob"


def test_every_flow_that_a_pause_stops_reads_it_at_its_start(bench):
    with bench.ledger() as ledger:
        paused(ledger)
    for flow, more in ((ingest, ()), (retrain, ()), (release, ("0" * 64,))):
        with pytest.raises(PipelinePaused):
            flow.fn(PIPELINE, *more)


def test_a_ledger_that_is_away_pauses_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    refuse_while_paused(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}", PIPELINE)


def test_a_pause_stops_the_schedule_and_its_end_continues_it(prefect, bench):
    with bench.ledger() as ledger:
        assert paused(ledger).schedules == ("ingest/ingest",)
        assert prefect.paused
        resume_pipeline(load_settings(), ledger, PIPELINE, by="Ada")
    assert not prefect.paused


def test_a_schedule_that_somebody_else_stopped_stays_stopped(prefect, bench):
    prefect.paused = True
    with bench.ledger() as ledger:
        assert paused(ledger).schedules == ()
        resume_pipeline(load_settings(), ledger, PIPELINE, by="Ada")
    assert prefect.paused


def test_the_remedy_pauses_once_also_when_it_is_killed_and_leaves_the_rest_to_people(prefect, bench, monkeypatch):
    def kill(point, **keys):
        raise Killed(point)

    with bench.ledger() as ledger:
        incident = ledger.record_evidence(Evidence(PIPELINE, Cause.BAD_ROWS, "b", "ingest", datetime.now(UTC)))
        given = context(load_settings(), ledger, incident, Remedy.PAUSE_PIPELINE)
        with monkeypatch.context() as patched:
            patched.setattr(pipeline_pause.crash_points, "reached", kill)
            with pytest.raises(Killed):
                implementation_of(Remedy.PAUSE_PIPELINE).apply(given)
        result = implementation_of(Remedy.PAUSE_PIPELINE).apply(given)
        assert (result.outcome, "autopilot resume tiny" in result.note) == (AttemptOutcome.FUTILE, True)
        assert prefect.paused
        assert len(ledger.entries(PIPELINE, "pipeline.paused")) == 1
        assert current_pause(ledger, PIPELINE).incident_id == incident.id
        for remedy, cause in ((Remedy.RETRY, Cause.BAD_ROWS), (Remedy.RETRAIN, Cause.QUALITY_DROP)):
            result = find_remedy(remedy, cause).apply(given)
            assert (result.outcome, "is paused by heal" in result.note) == (AttemptOutcome.FUTILE, True)
        assert given.runner.started == []
