import json
import subprocess
import sys

import psutil
import pytest

from chaos.faults.resource import FullDisk, prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import home_of

WRITER = """
import sys
path = sys.argv[1]
for line in sys.stdin:
    try:
        with open(path, "ab", buffering=0) as file:
            file.write(b"line")
        print("written", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


@pytest.fixture
def lab(tmp_path):
    home = home_of(tmp_path / "home", "http://127.0.0.1:9")
    command = [sys.executable, "-c", WRITER, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        service = {"name": "gateway", "pid": process.pid, "started_at": psutil.Process(process.pid).create_time()}
        (home / "processes.json").write_text(json.dumps({"services": [service]}))

        def write():
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield Lab.open(home, "flights", home / "drills" / "one"), write
        process.kill()


def test_a_process_on_a_full_disk_gets_errors_and_writes_again_after_the_undo(lab):
    lab, write = lab
    assert write() == "written"
    fault = prepare(lab, resource="disk", process="gateway")
    assert not fault.active()
    fault.inject()
    assert fault.active()
    assert write() == "27"  # EFBIG: one of the errors of a file system without room
    fault.undo()
    fault.undo()
    assert not fault.active()
    assert write() == "written"


def test_a_process_that_has_ended_cannot_be_limited_and_its_undo_is_no_error(lab):
    fault = prepare(lab[0], resource="disk", process="gateway")
    gone = fault.model_copy(update={"process": fault.process.model_copy(update={"started_at": 0.0})})
    assert isinstance(gone, FullDisk)
    with pytest.raises(ProcessLookupError, match="is the stack up"):
        gone.inject()
    gone.undo()
    assert not gone.active()


def test_an_unknown_resource_is_refused(lab):
    with pytest.raises(LookupError, match="found 'patience'"):
        prepare(lab[0], resource="patience", process="gateway")
