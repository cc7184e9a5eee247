import json
import subprocess
import sys

import pytest

from chaos.faults.every_model import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import gateway_double, home_of

MODELS = {"c" * 64: b"the champion's bytes", "d" * 64: b"a fallback's bytes"}
SECONDS_MAX = 60


@pytest.fixture
def broken(tmp_path):
    """The fault on a gateway with two models, the content of their files, and the worker of the champion."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with gateway_double() as (double, url), subprocess.Popen(sleep) as worker:
        double.fallbacks = [{"digest": "d" * 64}]
        double.workers = [{"digest": double.champion, "state": "ready", "pid": worker.pid, "restarts": 0}]
        home = home_of(tmp_path / "home", url)
        folder = home / "releases" / "flights" / "models"
        for digest, content in MODELS.items():
            (folder / digest).mkdir(parents=True)
            (folder / digest / "manifest.json").write_text(json.dumps({"model_file": "model.skops"}))
            (folder / digest / "model.skops").write_bytes(content)
        lab = Lab.open(home, "flights", home / "drills" / "one")
        yield prepare(lab), lambda: {each: (folder / each / "model.skops").read_bytes() for each in MODELS}, worker
        worker.kill()


def test_it_is_active_once_every_file_is_changed_and_every_worker_is_gone(broken):
    fault, contents, worker = broken
    assert not fault.active()
    fault.inject()
    worker.wait(SECONDS_MAX)
    assert all(contents()[each] != MODELS[each] for each in MODELS)
    assert fault.active()
    fault.undo()
    fault.undo()
    assert contents() == MODELS
    assert not fault.active()


def test_one_sound_file_is_enough_to_serve_and_the_fault_is_not_active(broken):
    fault, _, worker = broken
    fault.inject()
    worker.wait(SECONDS_MAX)
    fault.files[1].undo()
    assert not fault.active()
