"""Runs without a process are set to CRASHED; runs with a live process keep their state."""

import json
import os
import subprocess
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from healing.errors import OrchestratorUnavailable
from tasks.runtime.orphaned_runs import RUN_ID_VARIABLE, crash_orphaned_runs


class Api(ThreadingHTTPServer):
    """Answers the two calls as Prefect's API does; `children` are the runs below a run."""

    def __init__(self, runs, children=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs, self.children = runs, children or {}
        self.asked, self.states = [], {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/api"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/filter"):
            self.server.asked.append(body)
            parents = body["flow_runs"].get("parent_flow_run_id")
            runs = (
                self.server.runs
                if parents is None
                else [c for p in parents["any_"] for c in self.server.children.get(p, [])]
            )
            answer = [{"id": run} for run in runs]
        else:
            self.server.states[self.path.split("/")[-2]] = body
            answer = {"status": "ACCEPT"}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def api():
    servers = []

    def start(*arguments):
        server = Api(*arguments)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_runs_without_a_process_crash_together_with_their_child_runs(api):
    carried, orphaned, child = (str(uuid.uuid4()) for _ in range(3))
    server = api([carried, orphaned], {orphaned: [child]})
    carrier = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env=os.environ | {RUN_ID_VARIABLE: carried},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        carrier.stdout.readline()  # its own environment is in place once it runs its first line
        assert crash_orphaned_runs(server.url) == [orphaned]
    finally:
        carrier.kill()
        carrier.communicate()
    assert set(server.states) == {orphaned, child}
    assert server.states[orphaned]["state"]["type"] == "CRASHED"
    assert server.states[orphaned]["force"] is True
    assert server.asked[0]["work_pools"] == {"name": {"any_": ["autopilot"]}}


def test_no_orphaned_run_changes_nothing(api):
    server = api([])
    assert crash_orphaned_runs(server.url) == []
    assert server.states == {}


def test_an_api_that_is_down_raises_an_error_with_its_address():
    with pytest.raises(OrchestratorUnavailable, match=r"127\.0\.0\.1:9"):
        crash_orphaned_runs("http://127.0.0.1:9/api")
