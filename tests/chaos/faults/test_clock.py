import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from chaos.faults.clock import prepare
from chaos.lab import Lab
from chaos.settable_clock import FILE_VARIABLE, set_clock
from chaos.staging.needs import Need
from tests.chaos.gateway_double import home_of
from tests.chaos.standin import JsonServer


def offset_in(file):
    return int.from_bytes(file.read_bytes(), sys.byteorder, signed=True)


@contextmanager
def gateway_with_clock(folder, **variables):
    """A lab whose gateway has these variables in its environment, and logs an answer each time that it is asked."""
    file = folder / "clock"
    set_clock(file, 0)

    def route(method, path, headers, body):
        at = datetime.now(UTC) + timedelta(seconds=offset_in(file))
        return 200, {}, {"seq": 1, "at": at.isoformat()}

    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with JsonServer(route) as server, subprocess.Popen(sleep, env=environment) as process:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = home_of(folder / "home", server.url)
        service = {"name": "gateway", "pid": process.pid, "started_at": psutil.Process(process.pid).create_time()}
        (home / "processes.json").write_text(json.dumps({"services": [service]}))
        try:
            yield Lab.open(home, "flights", home / "drills" / "one"), file
        finally:
            process.kill()
            server.shutdown()


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_it_is_active_while_the_gateway_logs_answers_at_another_time(tmp_path, seconds):
    with gateway_with_clock(tmp_path, **{FILE_VARIABLE: tmp_path / "clock"}) as (lab, file):
        assert Need.CLOCK.is_met_by(lab)
        fault = prepare(lab, offset_seconds=seconds)
        assert not fault.active()
        fault.inject()
        assert offset_in(file) == seconds
        assert fault.active()
        fault.undo()
        fault.undo()
        assert not fault.active()
        assert offset_in(file) == 0


def test_a_gateway_whose_clock_cannot_be_set_is_refused(tmp_path):
    with gateway_with_clock(tmp_path) as (lab, _):
        assert not Need.CLOCK.is_met_by(lab)
        with pytest.raises(LookupError, match="with a settable clock"):
            prepare(lab, offset_seconds=3600)
