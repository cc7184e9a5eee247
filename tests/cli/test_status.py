"""`autopilot status --watch` shows the status again and again, and ends with 0 at Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
END_SECONDS_MAX = 60.0


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.delenv("AUTOPILOT_PIPELINES_DIR", raising=False)
    return [sys.executable, "-m", "cli", "status", "flights", "--watch", "--home", str(tmp_path / "home")]


def test_a_program_gets_one_document_per_line_until_it_interrupts(command):
    with subprocess.Popen([*command, "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        documents = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(END_SECONDS_MAX) == 0
    assert [(each["up"], each["healthy"]) for each in documents] == [(False, True)] * 2


def test_a_person_gets_a_screen_of_its_own_and_the_terminal_back(command, tmp_path):
    terminal, inside = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=inside, stdout=inside, stderr=inside) as process:
        os.close(inside)
        shown = b""
        while shown.count(b"Ctrl-C ends it") < 2:
            shown += os.read(terminal, 65536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # the other end of a terminal was closed: the command has ended
            while chunk := os.read(terminal, 65536):
                shown += chunk
        assert process.wait(END_SECONDS_MAX) == 0
    os.close(terminal)
    begun, ended = shown.index(b"\x1b[?1049h"), shown.index(b"\x1b[?1049l")  # the alternate screen, on and off
    assert begun < shown.index(b"the stack is") < ended
    assert not (tmp_path / "home").exists()
