"""Probes of Prefect and of MLflow's tracking store, against real servers, files and databases."""

import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from healing.incident import Cause
from tasks.incidents.probes import orchestrator, registry
from tasks.incidents.probes.orchestrator import PrefectAnswers
from tasks.incidents.probes.registry import RegistryAnswers, registry_failure
from tests.tasks.incidents.contexts import probe_context


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.status = 200
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def silent(monkeypatch):
    """The address of a server that accepts connections and answers nothing."""
    monkeypatch.setattr(orchestrator, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(registry, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def context(tmp_path, monkeypatch):
    with probe_context(tmp_path, monkeypatch) as found:
        yield found


def causes(sighting):
    return [problem.cause for problem in sighting.present]


def test_prefect_must_answer_with_success(context, server, silent, monkeypatch):
    assert causes(PrefectAnswers().observe(context)) == []  # none is configured
    monkeypatch.setenv("AUTOPILOT_PREFECT_API_URL", f"{server.url}/api")

    def look(context=context):
        fresh = context.settings.model_copy(update={"prefect_api_url": url})
        return causes(PrefectAnswers().observe(type(context)(fresh, context.pipeline, context.ledger)))

    url = f"{server.url}/api"
    assert look() == []
    server.status = 503
    assert look() == [Cause.ORCHESTRATOR_UNAVAILABLE]
    url = f"{silent}/api"
    assert look() == [Cause.ORCHESTRATOR_UNAVAILABLE]


def test_a_tracking_server_must_answer(server, silent):
    assert registry_failure(server.url) is None
    server.status = 500
    assert registry_failure(server.url) == "status 500"
    assert "Timeout" in registry_failure(silent)


def test_a_tracking_database_must_open(tmp_path):
    file = tmp_path / "mlflow.db"
    assert registry_failure(f"sqlite:///{file}") is None  # not made yet
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE runs (id)")
    assert registry_failure(f"sqlite:///{file}") is None
    file.write_bytes(b"no database" * 200)
    assert "not a database" in registry_failure(f"sqlite:///{file}")
    assert registry_failure("mssql+none://nobody@127.0.0.1:1/x") is not None


def test_a_look_at_the_registry_that_hangs_is_an_outage(context):
    probe = RegistryAnswers()
    assert causes(probe.observe(context)) == []
    assert causes(probe.hung(context)) == [Cause.REGISTRY_UNAVAILABLE]
