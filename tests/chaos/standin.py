"""A small stack that answers like the real one: `python -m tests.chaos.standin HOME [--heals] [--jumpy]`.

One process speaks for gateway and Prefect; a child of it is the champion's worker, and two more are the sources. It
tests the harness quickly; tests/recovery tests the real stack.
"""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from datetime import date, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

CHAMPION, FALLBACK = "c" * 64, "f" * 64
OUTPUTS = {CHAMPION: [0.1, 0.2, 0.3], FALLBACK: [0.4, 0.5, 0.6]}
DEPLOYMENT, RUN = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000003"
HEAL_SECONDS = 0.4
SOURCE_TIMEOUT_SECONDS = 0.4


class JsonServer(ThreadingHTTPServer):
    """Routes (method, path) to a function of the body; an answer is (status, headers, document)."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, route):
        self.route = route
        super().__init__(("127.0.0.1", 0), JsonHandler)

    def handle_error(self, request, client_address):
        """Ignore clients that stopped waiting, which some drills cause; report anything else."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class JsonHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status, headers, document = self.server.route(self.command, self.path, self.headers, body)
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

    def log_message(self, *arguments):
        """Log nothing."""


class Ledger:
    """The tables that the drills read."""

    def __init__(self, path):
        self.path = path
        with closing(self.open()) as db, db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE incidents (id TEXT, pipeline TEXT, cause TEXT, detected_at TEXT, ended_at TEXT)")
            db.execute(
                "CREATE TABLE journal (id INTEGER PRIMARY KEY AUTOINCREMENT, at_utc TEXT, at_monotonic_ns INTEGER, "
                "pipeline TEXT, kind TEXT, subject TEXT, detail TEXT)"
            )

    def open(self):
        return sqlite3.connect(self.path, timeout=10)

    def write(self, kind, subject, /, **detail):
        with closing(self.open()) as db, db:
            values = ("now", time.monotonic_ns(), "flights", kind, subject, json.dumps(detail))
            db.execute(
                "INSERT INTO journal (at_utc, at_monotonic_ns, pipeline, kind, subject, detail) VALUES (?,?,?,?,?,?)",
                values,
            )
            if kind == "incident.opened" and not detail.get("ended"):
                db.execute("INSERT INTO incidents VALUES (?, 'flights', ?, 'now', NULL)", (subject, detail["cause"]))
            if kind == "incident.recovered":
                db.execute("UPDATE incidents SET ended_at = 'now' WHERE id = ?", (subject,))


class Source:
    """A data source with a clock, in a process of its own so that it can hang."""

    def __init__(self, state):
        self.state = Path(state)

    def route(self, method, path, headers, body):
        if method == "PUT":
            self.state.write_text(body["day"])
        return 200, {}, {"last": self.state.read_text()}


class Stack:
    """Gateway, healer and Prefect in one."""

    def __init__(self, home, *, heals, jumpy, token):
        self.home, self.heals, self.jumpy, self.token = home, heals, jumpy, token
        self.ledger = Ledger(home / "ledger.db")
        self.champion, self.generation, self.run_state = CHAMPION, 2, "PENDING"
        for digest, outputs in OUTPUTS.items():
            directory = home / "releases" / "flights" / "models" / digest
            directory.mkdir(parents=True)
            (directory / "model.skops").write_bytes(b"model bytes " * 100)
            golden = {"columns": ["x"], "rows": [[0], [1], [2]], "outputs": outputs, "tolerance": 1e-9}
            (directory / "manifest.json").write_text(json.dumps({"model_file": "model.skops", "golden": golden}))
        self.model_file = home / "releases" / "flights" / "models" / CHAMPION / "model.skops"
        self.good = sha256(self.model_file.read_bytes()).hexdigest()
        self.worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.sources = {}

    def worker_ready(self):
        """The champion's process; it is restarted when it died and its file is intact."""
        if self.worker.poll() is not None and sha256(self.model_file.read_bytes()).hexdigest() == self.good:
            self.worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return self.worker.poll() is None

    def heal(self):
        while True:
            time.sleep(HEAL_SECONDS)
            disabled = (self.home / "disabled_remedies" / "rollback.json").exists()
            if self.heals and not disabled and self.champion == CHAMPION and not self.worker_ready():
                self.ledger.write("incident.opened", "i1", cause="model_corrupt", subject=CHAMPION)
                time.sleep(HEAL_SECONDS)
                self.ledger.write("attempt.started", "i1", remedy="rollback")
                self.champion, self.generation = FALLBACK, self.generation + 1
                self.ledger.write("incident.recovered", "i1", cause="model_corrupt")
            if self.jumpy:
                self.ledger.write("incident.opened", "i2", cause="data_drift", subject="x", ended=True)

    def ingest(self):
        for name in ("feed", "mirror"):
            try:
                with urllib.request.urlopen(f"{self.sources[name]}/days", timeout=SOURCE_TIMEOUT_SECONDS) as answer:
                    day = json.load(answer)["last"]
            except (urllib.error.URLError, TimeoutError):
                self.ledger.write("incident.opened", name, cause="source_unavailable", subject=name)
                self.ledger.write("attempt.started", name, remedy="switch_source")
                continue
            self.ledger.write("batch.recorded", f"flights/{day}", status="accepted", source=name)
            self.ledger.write("incident.recovered", "feed", cause="source_unavailable")
            self.run_state = "COMPLETED"
            return
        if self.heals:
            self.ledger.write("incident.escalated", "feed", cause="source_unavailable")
        self.run_state = "FAILED"

    def predict(self, headers, body):
        forced = headers.get("x-model-digest")
        ready = self.champion == FALLBACK or self.worker_ready()
        digest = forced or (self.champion if ready else FALLBACK)
        fall = not forced and not ready
        answer = {"x-model-digest": digest, "x-rung": "fallback" if fall else "champion"}
        if fall:
            answer["x-degraded"] = "true"
        return 200, answer, {"predictions": [OUTPUTS[digest][row[0]] for row in body["dataframe_split"]["data"]]}

    def release(self):
        workers = [{"digest": FALLBACK, "state": "ready", "pid": self.worker.pid, "role": "fallback"}]
        if self.champion == CHAMPION and self.worker_ready():
            workers.append({"digest": CHAMPION, "state": "ready", "pid": self.worker.pid, "role": "champion"})
        fallbacks = [{"digest": FALLBACK}] if self.champion == CHAMPION else []
        release = {"champion": {"digest": self.champion}, "fallbacks": fallbacks, "challenger": None, "baseline": 0.2}
        generations = {"desired_generation": self.generation, "active_generation": self.generation}
        return 200, {}, {**generations, "release": release, "problems": [], "workers": workers}

    def route(self, method, path, headers, body):
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            return 401, {}, {"detail": "expected a bearer token"}
        if path == "/invocations":
            return self.predict(headers, body)
        if path == "/release":
            return self.release()
        return 200, {}, self.prefect(path)

    def prefect(self, path):
        if path.endswith("/create_flow_run"):
            threading.Thread(target=self.ingest, daemon=True).start()
            return {"id": RUN}
        if path.startswith("/flow_runs/"):
            return {"state": {"type": self.run_state}}
        return {"id": DEPLOYMENT}


def serve_source(state):
    with JsonServer(Source(state).route) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        server.serve_forever()


def serve_stack(home, *, heals, jumpy, token):
    stack = Stack(home, heals=heals, jumpy=jumpy, token=token)
    clock = home / "clock"
    clock.write_text((date(2013, 3, 1) + timedelta(days=1)).isoformat())
    services = [{"name": "gateway", "pid": os.getpid(), "started_at": psutil.Process().create_time()}]
    for name in ("feed", "mirror"):
        command = [sys.executable, "-m", "tests.chaos.standin", "--source", str(clock)]
        source = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        stack.sources[name] = source.stdout.readline().strip()
        started_at = psutil.Process(source.pid).create_time()
        services.append({"name": name, "pid": source.pid, "started_at": started_at})
    (home / "processes.json").write_text(json.dumps({"services": services}))
    threading.Thread(target=stack.heal, daemon=True).start()
    with JsonServer(stack.route) as server:
        ours = dict.fromkeys(("prefect", "gateway", "operate"), server.url)
        (home / "addresses.json").write_text(json.dumps({**ours, **stack.sources}))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "--source":
        serve_source(sys.argv[2])
    else:
        token = os.environ.get("STANDIN_TOKEN", "")  # the gateway and Prefect ask for it, if it is set
        serve_stack(Path(sys.argv[1]), heals="--heals" in sys.argv, jumpy="--jumpy" in sys.argv, token=token)
