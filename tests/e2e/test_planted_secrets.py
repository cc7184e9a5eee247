"""Every secret that a deployment has is planted, and everything goes wrong: no file, output or argument has one.

The sources refuse and quote what they were sent, and nobody takes the message of the escalation.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from tasks.runtime.telemetry import OPT_OUTS

ROOT = Path(__file__).parents[2]
SECRETS = {
    "SOURCE_PASSWORD": "planted-source-password",
    "SOURCE_TOKEN": "planted-source-token",
    "QUERY_TOKEN": "planted-query-token",
    "DATABASE_PASSWORD": "planted-database-password",
    "HOOK_URL": "json://127.0.0.1:9/planted-webhook-token",
    "AUTOPILOT_ALERT_URLS": '["json://user:planted-alert-password@127.0.0.1:9/?+token=planted-alert-token"]',
    "AUTOPILOT_GATEWAY_OPERATE_KEYS": "planted-operate-key-0123456789",
}
PLANTED = re.findall(r"planted-[a-z-]+", " ".join(SECRETS.values()))
COMMANDS = (
    ["ingest", "flights", "--until", "2013-01-02"],
    ["heal", "flights", "--json"],
    ["incident", "list", "flights", "--json"],
)
RUN_ALL = """
import sys
from cli.main import main

for words in {commands}:
    sys.argv = ["autopilot", *words, "--home", {home!r}]
    try:
        main()
    except SystemExit as end:
        print("ended", words[0], end.code, flush=True)
"""


class _Refusing(BaseHTTPRequestHandler):
    """A source that refuses, and quotes all that it was sent."""

    def do_GET(self) -> None:
        quoted = f"{self.path} {self.headers}".encode()
        self.server.asked.append(quoted)
        self.send_response(403)
        self.send_header("content-length", str(len(quoted)))
        self.end_headers()
        self.wfile.write(quoted)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the standard library's
        pass


@pytest.fixture
def source():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def write_pipeline(folder, port):
    """The flights, from sources of every kind that need secrets; the healer asks a person at once."""
    shutil.copytree(ROOT / "pipelines" / "flights", folder / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "flights" / "pipeline.yaml"
    document = yaml.safe_load(path.read_text())
    del document["feed"]
    limits = {"attempts": 1, "patience_seconds": 0.2, "connect_seconds": 0.5, "timeout_seconds": 5.0}
    document["sources"] = [
        {
            "name": "api",
            "kind": "http",
            "url": f"http://reader:${{env:SOURCE_PASSWORD}}@127.0.0.1:{port}/?key=${{env:QUERY_TOKEN}}",
            "headers": {"x-api-key": "${env:SOURCE_TOKEN}"},
            **limits,
        },
        {
            "name": "database",
            "kind": "sql",
            "url": "postgresql+pg8000://reader:${env:DATABASE_PASSWORD}@127.0.0.1:9/flights",
            "tables": {name: {} for name in document["tables"]},
            **limits,
        },
    ]
    document["policy"]["source_unavailable"] = ["escalate"]
    path.write_text(yaml.safe_dump(document))
    policy = yaml.safe_load((ROOT / "pipelines" / "policy.yaml").read_text())
    policy["alerts"] = {"routes": {"hook": {"env": "HOOK_URL"}}, "send": {"escalation": ["default", "hook"]}}
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))


def run_all(folder, home):
    """What the commands print, and the arguments of every process meanwhile."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPILOT_")}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**kept, **OPT_OUTS, **SECRETS, "PYTHONPATH": path, "AUTOPILOT_PIPELINES_DIR": str(folder)}
    script = RUN_ALL.format(commands=list(COMMANDS), home=str(home))
    arguments = set()
    output = home.parent / "output"
    with output.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=stream, stderr=stream)
        while process.poll() is None:
            for each in psutil.process_iter(["cmdline"]):
                arguments.update(each.info["cmdline"] or ())
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
    return output.read_text(), arguments


def has(path, secret):
    """Whether a file contains the text; columns of a compressed Parquet file are searched value by value."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        texts = [column for column in table.columns if str(column.type) in ("string", "large_string")]
        return any(pc.any(pc.match_substring(column, secret)).as_py() for column in texts)
    return secret.encode() in path.read_bytes()


@pytest.mark.timeout(600)  # ten seconds on an idle machine; each flow starts a Prefect server
def test_no_planted_secret_is_in_a_file_an_output_or_an_argument(source, tmp_path):
    folder, home = tmp_path / "pipelines", tmp_path / "home"
    write_pipeline(folder, source.server_port)
    printed, arguments = run_all(folder, home)
    assert "ended ingest 1" in printed, printed[-3000:]
    assert source.asked, "the source was asked"
    assert all(b"planted-source-token" in asked for asked in source.asked)
    assert list((home / "outbox").glob("*.json")), "the messages of the escalations wait for their routes"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    for secret in PLANTED:
        assert [path for path in files if has(path, secret)] == [], secret
        assert secret not in printed
        assert not [word for word in arguments if secret in word]
