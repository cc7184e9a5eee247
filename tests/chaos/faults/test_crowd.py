import json

from chaos.faults.crowd import prepare
from chaos.golden_rows import KEPT_MANIFEST
from chaos.lab import Lab
from tests.chaos.gateway_double import gateway_double, home_of
from tests.gateway.running import wait_until


def test_it_is_active_once_several_bursts_were_answered_and_until_its_undo(tmp_path):
    with gateway_double() as (_, url):
        home = home_of(tmp_path / "home", url)
        directory = home / "drills" / "one"
        directory.mkdir(parents=True)
        golden = {"columns": ["x"], "rows": [[0], [1]], "outputs": [0.5, 0.5]}
        (directory / KEPT_MANIFEST).write_text(json.dumps({"golden": golden}))
        fault = prepare(Lab.open(home, "flights", directory), clients=3, every_seconds=0.05)
        assert not fault.active()
        fault.inject()
        wait_until(fault.active, "the crowd is answered")
        counts = json.loads(fault.counts_file.read_bytes())
        assert counts["answered"] == 3 * counts["bursts"]
        assert counts["failed"] == 0
        fault.undo()
        fault.undo()
        assert not fault.active()
        assert fault.agent.find() is None


def test_a_crowd_that_nobody_answers_is_not_active(tmp_path):
    home = home_of(tmp_path / "home", "http://127.0.0.1:9")
    directory = home / "drills" / "one"
    directory.mkdir(parents=True)
    golden = {"columns": ["x"], "rows": [[0]], "outputs": [0.5]}
    (directory / KEPT_MANIFEST).write_text(json.dumps({"golden": golden}))
    fault = prepare(Lab.open(home, "flights", directory), clients=2, every_seconds=0.05)
    fault.inject()
    try:
        wait_until(lambda: fault.counts_file.exists() and json.loads(fault.counts_file.read_bytes())["bursts"] > 2, "")
        assert not fault.active()
    finally:
        fault.undo()
