"""The process as an operator meets it: start, ports, endpoints, drain."""

import json
import socket
import subprocess
import sys

import pytest

from gateway.settings import GatewaySettings
from healing.release import Reason
from tests.gateway.load import keep_asking
from tests.gateway.running import gateway_command, run_gateway, split_body, wait_until
from tests.published import bootstrap, end_trial, publish_tiny_model, start_canary, tiny_rows

pytestmark = pytest.mark.timeout(300)  # a cold fork server imports scikit-learn: 4 s idle, 80 s on a crowded machine


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys):
    """A gateway that was there before its first release."""
    home = tmp_path_factory.mktemp("served")
    root = home / "releases"
    with run_gateway(root, keys, home / "gateway") as gateway:
        asked = gateway.predict.get("/health", headers={"accept": "application/json"})
        assert (asked.status_code, asked.json()) == (503, {"state": "no_release"})
        before = (gateway.predict.get("/ping"), gateway.ask(), gateway.operate.get("/health"), gateway.release())
        champion = publish_tiny_model(root, keys)
        challenger = publish_tiny_model(root, keys, version="0.2.0", seed=1)
        bootstrap(root, champion)
        gateway.wait_for_worker(champion.digest)
        start_canary(root, challenger, 0.0)
        gateway.wait_for_generation(2)
        yield gateway, champion, challenger, before


def test_before_the_first_release_it_says_what_is_missing(served):
    ping, invocation, health, state = served[3]
    assert ping.status_code == invocation.status_code == 503
    assert "no release" in ping.json()["message"]
    assert invocation.headers["retry-after"]
    assert health.status_code == 200
    assert (state["release"], state["active_generation"], state["problems"]) == (None, 0, [])


def test_an_answer_names_its_rung_version_release_and_request(served):
    gateway, champion, _, _ = served
    reply = gateway.ask(x_request_id="mine")
    assert reply.status_code == 200
    assert {name: value for name, value in reply.headers.items() if name.startswith("x-")} == {
        "x-request-id": "mine",
        "x-rung": "champion",
        "x-model-version": "0.1.0",
        "x-model-digest": champion.digest,
        "x-release-generation": "2",
    }


def test_rows_together_are_answered_as_they_are_alone(served):
    gateway = served[0]
    rows = tiny_rows(50)
    together = gateway.ask(rows).json()["predictions"]
    alone = [gateway.ask([row]).json()["predictions"][0] for row in rows]
    assert together == pytest.approx(alone, abs=1e-12)


def test_a_version_can_be_forced_and_such_a_probe_is_not_logged(served):
    gateway, _, challenger, _ = served
    reply = gateway.ask(x_model_digest=challenger.digest, x_request_id="probe")
    assert (reply.status_code, reply.headers["x-rung"], reply.headers["x-model-version"]) == (
        200,
        "challenger",
        "0.2.0",
    )
    unknown = gateway.ask(x_model_digest="0" * 64)
    assert unknown.status_code == 404
    assert challenger.digest in unknown.json()["message"]
    assert "probe" not in gateway.operate.get("/predictions").text


def test_an_answered_request_is_in_the_log_with_its_key_and_features(served):
    gateway, champion, _, _ = served
    row = tiny_rows(1, seed=9)[0]
    body = split_body([row], keys=["flight 1"])
    value = gateway.predict.post("/invocations", json=body, headers={"x-request-id": "logged"}).json()["predictions"][0]
    lines = [json.loads(line) for line in gateway.operate.get("/predictions").text.splitlines()]
    (line,) = [line for line in lines if line["request_id"] == "logged"]
    assert (line["key"], line["rung"], line["digest"], line["row"]) == ("flight 1", "champion", champion.digest, 0)
    assert line["features"] == dict(zip(("carrier", "distance", "hour"), row, strict=True))
    assert line["prediction"] == value
    after = gateway.operate.get("/predictions", params={"after": line["seq"] - 1, "limit": 1}).text.splitlines()
    assert [json.loads(found)["seq"] for found in after] == [line["seq"]]


def test_bad_requests_get_a_4xx_that_names_the_field(served):
    gateway = served[0]
    refusal = gateway.predict.post("/invocations", json=split_body([["AA", "far", 3]]))
    assert (refusal.status_code, refusal.json()["field"]) == (400, "distance")
    assert gateway.predict.post("/invocations", content=b"x" * (9 * 2**20)).status_code == 413
    assert gateway.predict.get("/invocations").status_code == 405
    assert gateway.predict.get("/nowhere").status_code == 404
    assert gateway.ask(x_request_id="x" * 300).status_code == 400
    assert gateway.operate.get("/predictions", params={"after": "first"}).status_code == 400
    assert gateway.operate.post("/feedback", json={"labels": [{"request_id": "r", "label": "late"}]}).status_code == 400


def test_labels_are_taken_and_handed_out(served):
    body = {"labels": [{"request_id": "logged", "row": 0, "label": 1}]}
    assert served[0].operate.post("/feedback", json=body).json() == {"accepted": 1}
    last = json.loads(served[0].operate.get("/labels").text.splitlines()[-1])
    assert (last["request_id"], last["row"], last["label"]) == ("logged", 0, 1.0)


def test_outcomes_are_taken_and_handed_out(served):
    given = {"request_id": "logged", "row": 2, "name": "revenue", "value": 9.5}
    body = {"labels": [{"request_id": "logged", "label": 0}], "outcomes": [given]}
    assert served[0].operate.post("/feedback", json=body).json() == {"accepted": 2}
    last = json.loads(served[0].operate.get("/outcomes").text.splitlines()[-1])
    assert {name: last[name] for name in given} == given


def test_metrics_count_what_was_answered(served):
    gateway = served[0]
    gateway.ask()
    served_now = gateway.release()["served"]
    text = gateway.operate.get("/metrics").text
    assert f'gateway_requests_total{{pipeline="tiny",rung="champion"}} {served_now["good"]}.0' in text
    assert 'gateway_release_generation_active{pipeline="tiny"} 2.0' in text


def test_a_client_that_hangs_up_disturbs_nobody(served):
    gateway = served[0]
    address = gateway.predict.base_url
    for sent in (b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{", b"GARBAGE\r\n\r\n"):
        with socket.create_connection((address.host, address.port)) as client:
            client.sendall(sent)
    assert gateway.ask().status_code == 200


def test_a_body_that_is_too_long_by_its_own_word_is_refused_before_it_is_sent(served):
    address = served[0].predict.base_url
    with socket.create_connection((address.host, address.port), timeout=30) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n{")
        assert client.recv(65536).startswith(b"HTTP/1.1 413")


def test_sigterm_drains_and_exits_0(root, keys, state_dir):
    bootstrap(root, publish_tiny_model(root, keys))
    with run_gateway(root, keys, state_dir) as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        with keep_asking(gateway, clients=4) as load:
            load.wait_for(40)
            assert gateway.stop() == 0
            assert "Traceback" not in gateway.output.read_text()
    assert {reply.status for reply in load.replies} <= {200, 0}  # answered, or refused a connection; never half
    assert [reply for reply in load.replies if reply.status == 200 and not reply.predictions] == []


def run_and_fail(root, keys, state_dir, *options: str) -> tuple[int, str]:
    command = gateway_command(root, keys, state_dir, *options)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    return ended.returncode, ended.stderr.strip().splitlines()[-1]


def test_a_taken_port_is_one_clear_line_and_exit_1(root, keys, state_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = run_and_fail(root, keys, state_dir, "--port", str(port), "--operate-port", "0")
    assert code == 1
    assert f"port {port}" in line
    assert "Address already in use" in line
    assert not state_dir.exists()


def test_a_state_directory_that_cannot_be_is_one_clear_line_and_exit_1(root, keys, tmp_path):
    (tmp_path / "file").touch()
    code, line = run_and_fail(root, keys, tmp_path / "file" / "state", "--port", "0", "--operate-port", "0")
    assert code == 1
    assert "prediction log" in line


def test_a_state_directory_that_another_gateway_uses_is_one_clear_line_and_exit_1(root, keys, state_dir):
    with run_gateway(root, keys, state_dir) as gateway:
        code, line = run_and_fail(root, keys, state_dir, "--port", "0", "--operate-port", "0")
        assert gateway.predict.get("/ping").status_code == 503  # it still runs, without a release
    assert code == 1
    assert "another gateway" in line


@pytest.mark.parametrize(
    ("options", "named"), [(("--host", "0.0.0.0"), "--host"), (("--batch-rows-max", "0"), "--batch-rows-max")]
)
def test_wrong_settings_are_one_clear_line_and_exit_2(root, keys, state_dir, options, named):
    code, line = run_and_fail(root, keys, state_dir, *options)
    assert code == 2
    assert named in line


def test_every_setting_says_what_it_is():
    assert all(field.description for field in GatewaySettings.model_fields.values())


def test_a_release_that_cannot_be_read_is_told_and_what_serves_goes_on(root, keys, state_dir):
    bootstrap(root, publish_tiny_model(root, keys))
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(1)
        (root / "log" / "00000002.json").write_text("{}")
        wait_until(lambda: ("store_unavailable", str(root)) in gateway.problems(), "the problem is told")
        assert gateway.ask().headers["x-release-generation"] == "1"
        (root / "log" / "00000002.json").unlink()
        wait_until(lambda: gateway.problems() == set(), "the problem ends")


def test_a_release_of_another_pipeline_is_reported_and_not_served(root, keys, state_dir):
    bootstrap(root, publish_tiny_model(root, keys))
    with run_gateway(root, keys, state_dir, "--pipeline", "another") as gateway:
        wait_until(lambda: ("store_unavailable", str(root)) in gateway.problems(), "the problem is reported")
        (problem,) = gateway.release()["problems"]
        assert "'another'" in problem["message"]
        assert "'tiny'" in problem["message"]
        assert gateway.predict.get("/ping").status_code == 503


def test_a_slow_upload_is_answered_by_the_release_that_is_active_at_its_end(root, keys, state_dir):
    models = [publish_tiny_model(root, keys, version=f"1.0.{n}", seed=n) for n in (1, 2)]
    bootstrap(root, models[0], fallbacks=(models[1],))
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(1)
        gateway.wait_for_worker(models[1].digest)
        body = gateway.predict.build_request("POST", "/invocations", json=split_body(tiny_rows(1))).content
        address = gateway.predict.base_url
        with socket.create_connection((address.host, address.port)) as client:
            head = f"POST /invocations HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body[:10])
            gateway.ask()  # the upload has begun before this is answered
            following = end_trial(root, reason=Reason.ROLLBACK, champion=models[1])
            gateway.wait_for_generation(following.generation)
            client.sendall(body[10:])
            reply = b"".join(iter(lambda: client.recv(65536), b""))
        assert f"x-release-generation: {following.generation}".encode() in reply
        assert models[1].digest.encode() in reply


def test_a_version_and_its_trial_have_metrics_as_long_as_they_are_there(root, keys, state_dir):
    champion, challenger = (publish_tiny_model(root, keys, version=f"1.0.{n}", seed=n) for n in (1, 2))
    bootstrap(root, champion)
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(1)
        gateway.wait_for_generation(start_canary(root, challenger, 0.9).generation)
        for number in range(20):
            gateway.ask(x_route_key=f"client {number}")
        text = gateway.operate.get("/metrics").text
        assert 'gateway_version_error_ratio{pipeline="tiny",version="1.0.2"} 0.0' in text
        assert 'gateway_version_role{pipeline="tiny",role="challenger",version="1.0.2"} 1.0' in text
        assert 'gateway_trial_weight_ratio{mode="canary",pipeline="tiny",version="1.0.2"} 0.9' in text
        assert 'gateway_trial_verdict{check="errors",pipeline="tiny",verdict="INCONCLUSIVE"} 1.0' in text
        gateway.wait_for_generation(end_trial(root, reason=Reason.ABORT, champion=champion).generation)
        text = gateway.operate.get("/metrics").text
        assert 'role="challenger"' not in text
        assert 'version="1.0.2"' not in text
        assert "gateway_trial_weight_ratio{" not in text


def imported(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of the modules a fresh Python has after this code."""
    check = f"import sys; print(*[name for name in {names} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", f"{code}; {check}"], capture_output=True, text=True, check=True)
    return ended.stdout.split()


def test_the_router_imports_no_model_library():
    heavy = ("sklearn", "scipy", "pandas", "numpy", "pyarrow", "skops", "model_signing", "prefect", "mlflow", "httpx")
    router = "gateway.__main__, gateway.workers.warm, gateway.server, gateway.service"
    ports = "gateway.ports.operate, gateway.ports.predict, gateway.wire.http"
    assert imported(f"import {router}, {ports}", heavy) == []


def test_the_fork_server_is_started_before_anything_that_takes_time_is_imported():
    assert imported("import gateway.__main__", ("asyncio", "structlog", "pydantic", "orjson", "uvicorn")) == []


def test_the_fork_server_imports_no_network_client_and_no_keyless_signatures():
    names = ("sklearn", "skops", "model_signing", "sigstore", "tuf", "requests")
    found = imported("from gateway.workers.forkserver import preload; preload()", names)
    assert found == ["sklearn", "skops", "model_signing"]
