import base64
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from pipelines.flights.feed import main
from pipelines.flights.feed_state import FeedState
from tests.feeds import feed_serving


@pytest.fixture
def mirror(tmp_path):
    with feed_serving(tmp_path) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def primary(tmp_path):
    with feed_serving(tmp_path, faulty=True) as url, httpx.Client(base_url=url) as client:
        yield client


def test_starts_with_two_months_of_history(primary):
    assert primary.get("/days").json() == {"first": "2013-01-01", "last": "2013-02-28"}
    assert primary.get("/flights/2013-02-28.csv").status_code == 200


def test_does_not_serve_a_day_that_has_not_ended(primary):
    answer = primary.get("/outcomes/2013-03-01.csv")
    assert answer.status_code == 404
    assert "not yet" in answer.json()["error"]


def test_the_clock_is_shared_and_survives_a_restart(primary, mirror, tmp_path):
    assert mirror.put("/clock", json={"day": "2013-03-01"}).json()["now"] == "2013-03-02T05:00:00+00:00"
    assert primary.get("/flights/2013-03-01.csv").status_code == 200
    assert FeedState(tmp_path).now == datetime(2013, 3, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"now": "soon"}', b'{"day": 3}', b"{"])
def test_refuses_a_clock_that_is_not_a_time(primary, body):
    assert primary.put("/clock", content=body).status_code == 422
    assert primary.get("/days").json()["last"] == "2013-02-28"


def test_only_the_primary_delivers_other_bytes_as_a_batch_until_the_fault_is_removed(primary, mirror):
    body = base64.b64encode(b"<html>").decode()
    fault = {"table": "flights", "day": "2013-02-01", "kind": "content", "body": body}
    null = {"table": "flights", "day": "2013-02-01", "kind": "null", "column": "distance", "share": 0.4}
    assert primary.put("/faults", json=[fault, null]).status_code == 200
    assert primary.get("/flights/2013-02-01.csv").content == b"<html>"
    assert primary.get("/weather/2013-02-01.csv").text == mirror.get("/weather/2013-02-01.csv").text
    assert primary.get("/faults").json()[0] == fault
    primary.put("/faults", json=[])
    assert primary.get("/flights/2013-02-01.csv").text == mirror.get("/flights/2013-02-01.csv").text


def test_only_the_primary_applies_faults(primary, mirror):
    faults = [
        {"table": "flights", "day": "2013-02-01", "kind": "rename", "columns": {"carrier": "airline"}},
        {"table": "flights", "day": "2013-02-01", "kind": "null", "column": "distance", "share": 0.4, "seed": 1},
    ]
    assert mirror.put("/faults", json=faults).status_code == 200
    broken, whole = (client.get("/flights/2013-02-01.csv").text for client in (primary, mirror))
    assert "airline" in broken.splitlines()[0]
    assert "carrier" in whole.splitlines()[0]
    assert broken.count(",,") > 200
    assert whole.count(",,") == 0
    assert primary.get("/flights/2013-02-02.csv").text == mirror.get("/flights/2013-02-02.csv").text


def test_refuses_an_unknown_fault(primary):
    answer = primary.put("/faults", json=[{"table": "flights", "day": "2013-02-01", "kind": "nul"}])
    assert answer.status_code == 422
    assert "nul" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/", "/planes/2013-02-01.csv", "/flights/2013-02-31.csv", "/flights/../etc.csv"])
def test_an_unknown_path_is_not_found(primary, path):
    assert primary.get(path).status_code == 404


def test_a_taken_port_is_reported_in_one_line(primary, tmp_path, capsys):
    port = primary.base_url.port
    assert main(["--port", str(port), "--state-dir", str(tmp_path / "other")]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_stops_with_exit_code_0_on_sigterm(tmp_path):
    command = [sys.executable, "-m", "pipelines.flights.feed", "--port", "0", "--state-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().split()[-1]
        assert httpx.get(f"{address}/health", timeout=60).json()["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
