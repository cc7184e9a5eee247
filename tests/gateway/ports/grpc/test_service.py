"""Triton's gRPC client, and clients that mean harm, at a real gateway with keys."""

import json
import os
import signal
import socket
from contextlib import contextmanager, suppress

import grpc
import pytest
from tritonclient.grpc import InferenceServerClient, service_pb2
from tritonclient.utils import InferenceServerException

from healing.release import Reason
from tests.gateway.ports.grpc.running import grpc_port, keep_calling, parameters, tensors
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, end_trial, publish_tiny_model, tiny_rows

pytestmark = pytest.mark.timeout(300)

PREDICT, OPERATE, FEEDBACK = "predict-key-0123456789", "operate-key-0123456789", "feedback-key-0123456789"
KEY = {"x-api-key": PREDICT}
METADATA = tuple(KEY.items())
METHOD = "/inference.GRPCInferenceService/ModelInfer"
ROWS = tiny_rows(20, seed=5)
# On a crowded machine a batch may wait for seconds, and no request is to be refused for that.
PATIENT = ("--queue-seconds-max", "20", "--batch-deadline-seconds", "20", "--request-deadline-seconds", "60")


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys):
    """A gateway with keys, a champion 0.2.0 and a fallback 0.1.0."""
    home = tmp_path_factory.mktemp("grpc")
    keys_file = home / "keys.json"
    keys_file.write_text(json.dumps({"predict": [PREDICT], "operate": [OPERATE], "feedback": [FEEDBACK]}))
    root = home / "releases"
    fallback = publish_tiny_model(root, keys)
    champion = publish_tiny_model(root, keys, version="0.2.0", seed=1)
    bootstrap(root, champion, fallbacks=(fallback,))
    options = ("--grpc-port", "0", "--keys-file", str(keys_file), "--body-bytes-max", "262144", *PATIENT)
    with run_gateway(root, keys, home / "gateway", *options) as gateway:
        gateway.predict.headers["x-api-key"] = gateway.operate.headers["x-api-key"] = OPERATE
        for model in (champion, fallback):
            gateway.wait_for_worker(model.digest)
        gateway.root, gateway.champion, gateway.fallback = root, champion, fallback
        gateway.grpc = f"127.0.0.1:{grpc_port(gateway.output)}"
        yield gateway


@pytest.fixture(scope="module")
def triton(served):
    with InferenceServerClient(served.grpc) as client:
        yield client


@pytest.fixture(scope="module")
def channel(served):
    with grpc.insecure_channel(served.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def expected(served):
    return served.ask(ROWS).json()["predictions"]


def message(rows=ROWS, **fields):
    """A request with its elements in `contents`."""
    request = service_pb2.ModelInferRequest(**{"model_name": "tiny", **fields})
    carriers, distances, hours = zip(*rows, strict=True)
    for name, datatype in (("carrier", "BYTES"), ("distance", "FP64"), ("hour", "INT64")):
        request.inputs.add(name=name, datatype=datatype, shape=[len(rows)])
    request.inputs[0].contents.bytes_contents.extend(carrier.encode() for carrier in carriers)
    request.inputs[1].contents.fp64_contents.extend(distances)
    request.inputs[2].contents.int64_contents.extend(hours)
    return request


def call(channel, request, metadata=METADATA, **options):
    """The response and the call, or the error."""
    infer = channel.unary_unary(
        METHOD,
        request_serializer=lambda sent: sent if isinstance(sent, bytes) else sent.SerializeToString(),
        response_deserializer=service_pb2.ModelInferResponse.FromString,
    )
    return infer.with_call(request, metadata=metadata, timeout=options.pop("timeout", 60), **options)


def refusal(channel, request, **options):
    with pytest.raises(grpc.RpcError) as error:
        call(channel, request, **options)
    return error.value.code(), error.value.details(), dict(error.value.trailing_metadata() or ())


def test_tritons_client_finds_the_server_and_the_model(served, triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny", headers=KEY)
    assert triton.is_model_ready("tiny", "0.1.0", headers=KEY)
    with pytest.raises(InferenceServerException, match=r"'9\.9\.9' of 'tiny' is not loaded"):
        triton.is_model_ready("tiny", "9.9.9", headers=KEY)
    metadata = triton.get_model_metadata("tiny", headers=KEY, as_json=True)
    http = served.predict.get("/v2/models/tiny").json()
    assert metadata["versions"] == http["versions"] == ["0.2.0", "0.1.0"]
    assert metadata["platform"] == http["platform"]
    for direction in ("inputs", "outputs"):
        over_grpc = [(t["name"], t["datatype"], [int(n) for n in t["shape"]]) for t in metadata[direction]]
        assert over_grpc == [(t["name"], t["datatype"], t["shape"]) for t in http[direction]]
    server = triton.get_server_metadata(headers=KEY)
    assert (server.name, list(server.extensions)) == (
        "mlops-autopilot",
        served.predict.get("/v2").json()["extensions"],
    )


def test_tritons_client_reads_the_repository_index_and_statistics(triton):
    index = triton.get_model_repository_index(headers=KEY).models
    assert [(entry.name, entry.version, entry.state) for entry in index] == [
        ("tiny", "0.2.0", "READY"),
        ("tiny", "0.1.0", "READY"),
    ]

    def counted():
        (found,) = triton.get_inference_statistics("tiny", "0.2.0", headers=KEY).model_stats
        return found

    before = counted()
    triton.infer("tiny", tensors(ROWS), headers=KEY)
    after = counted()
    assert after.inference_count == before.inference_count + 1
    assert after.inference_stats.success.ns > before.inference_stats.success.ns


def test_tritons_client_gets_the_predictions_of_http_and_is_told_who_answered(served, triton, expected):
    result = triton.infer("tiny", tensors(ROWS), request_id="over-grpc", headers=KEY)
    assert result.as_numpy("predict") == pytest.approx(expected, abs=1e-12)
    response = result.get_response()
    assert (response.id, response.model_version, len(response.raw_output_contents)) == ("over-grpc", "0.2.0", 1)
    assert parameters(result) == {
        "rung": "champion",
        "model_digest": served.champion.digest,
        "release_generation": 1,
    }
    logged = [
        json.loads(line) for line in served.operate.get("/predictions", params={"limit": 10_000}).text.splitlines()
    ]
    rows = [entry for entry in logged if entry["request_id"] == "over-grpc"]
    assert [entry["prediction"] for entry in rows] == pytest.approx(expected, abs=1e-12)


def test_an_answer_has_contents_if_the_request_has_and_the_headers_of_http_as_metadata(channel, served, expected):
    sent = {**KEY, "x-request-id": "mine", "x-route-key": "client-1", "x-request-timeout-ms": "60000"}
    response, done = call(channel, message(), metadata=tuple(sent.items()))
    assert list(response.outputs[0].contents.fp64_contents) == pytest.approx(expected, abs=1e-12)
    trailing = dict(done.trailing_metadata())
    http = served.ask(ROWS, **{"x-request-id": "mine"}).headers
    for name in ("x-request-id", "x-rung", "x-model-version", "x-model-digest", "x-release-generation"):
        assert trailing[name] == http[name]


def test_extra_and_absent_columns_are_named(channel):
    request = message([["AA", 1.0, 7]])
    request.inputs[1].name = "farbe,é"
    response, done = call(channel, request)
    assert len(response.outputs[0].contents.fp64_contents) == 1
    trailing = dict(done.trailing_metadata())
    assert (trailing["x-ignored-columns"], trailing["x-absent-columns"]) == ("farbe%2C%C3%A9", "distance")


def test_a_version_answers_by_itself_and_takes_an_operate_key(served, triton, channel):
    operate = {"x-api-key": OPERATE}
    forced = triton.infer("tiny", tensors(ROWS), model_version="0.1.0", request_id="forced", headers=operate)
    assert forced.get_response().model_version == "0.1.0"
    assert "forced" not in served.operate.get("/predictions", params={"limit": 10_000}).text
    with pytest.raises(InferenceServerException, match="takes an operate key"):
        triton.infer("tiny", tensors(ROWS), model_version="0.1.0", headers=KEY)
    digest = (("x-api-key", OPERATE), ("x-model-digest", served.fallback.digest))
    assert call(channel, message(), metadata=digest)[0].model_version == "0.1.0"


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ({}, grpc.StatusCode.UNAUTHENTICATED),
        ({"x-api-key": "wrong-key-0123456789"}, grpc.StatusCode.UNAUTHENTICATED),
        ({"x-api-key": FEEDBACK}, grpc.StatusCode.PERMISSION_DENIED),
    ],
)
def test_keys_are_needed_as_over_http(channel, triton, key, code):
    found, details, _ = refusal(channel, message(), metadata=tuple(key.items()))
    assert found is code
    assert "key" in details
    with pytest.raises(InferenceServerException, match="key"):
        triton.get_model_metadata("tiny", headers=key)
    bearer = (("authorization", f"Bearer {PREDICT}"),)
    assert call(channel, message(), metadata=bearer)[0].model_name == "tiny"


def test_refusals_are_those_of_http(channel, served):
    code, details, trailing = refusal(channel, message([["AA", 1.0, 7]], model_name="other"))
    assert (code, details) == (grpc.StatusCode.NOT_FOUND, "there is no model 'other'; this gateway serves 'tiny'")
    assert trailing["x-error-code"] == "NOT_FOUND"
    request = message([["AA", float("inf"), 7]])
    code, details, _ = refusal(channel, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "'distance'" in details
    many = message([["AA", 1.0, 7]] * 10_001)
    code, details, _ = refusal(channel, many)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 10000 rows, found 10001" in details
    assert refusal(channel, b"\xff\xff no message")[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal(channel, message(), metadata=(*KEY.items(), ("x-request-timeout-ms", "soon")))[0] is (
        grpc.StatusCode.INVALID_ARGUMENT
    )
    unknown = channel.unary_unary("/inference.GRPCInferenceService/ModelConfig")
    with pytest.raises(grpc.RpcError) as error:
        unknown(b"", metadata=METADATA, timeout=60)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_large_message_is_refused_by_its_length_and_a_compressed_one_at_all(channel, expected):
    code, details, _ = refusal(channel, message(id="x").SerializeToString() + b"\x3a\x80\x80\x20" + b"\x00" * 524_288)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in details
    bomb = message([["A" * 200_000, 1.0, 7]])
    assert refusal(channel, bomb, compression=grpc.Compression.Gzip)[0] is grpc.StatusCode.UNIMPLEMENTED
    assert list(call(channel, message())[0].outputs[0].contents.fp64_contents) == pytest.approx(expected, abs=1e-12)


@contextmanager
def stopped_champion(served):
    """The champion answers nothing within the block."""
    worker = served.wait_for_worker(served.champion.digest)["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)
    wait_until(lambda: served.ask(ROWS).headers.get("x-rung") == "champion", "the champion answers again")


def metric(served, name):
    """The value of a metric without labels of its own."""
    lines = served.operate.get("/metrics").text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(name + "{")))


def begin(channel, rows):
    infer = channel.unary_unary(
        METHOD,
        request_serializer=service_pb2.ModelInferRequest.SerializeToString,
        response_deserializer=service_pb2.ModelInferResponse.FromString,
    )
    return infer.future(message(rows), metadata=METADATA, timeout=120)


def answer_in_time(channel):
    """What a client gets within a deadline of its own; None where it comes too late, on a crowded machine."""
    try:
        return call(channel, message(ROWS[:1]), timeout=2)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return None
        raise


def test_a_client_that_cancels_or_runs_out_of_time_is_counted_and_disturbs_nobody(served, channel, expected):
    before = metric(served, "gateway_requests_abandoned_total")
    with stopped_champion(served):
        future = begin(channel, ROWS[:1])
        wait_until(lambda: metric(served, "gateway_requests_in_flight") == 1, "the call is being answered")
        future.cancel()
        wait_until(lambda: metric(served, "gateway_requests_abandoned_total") == before + 1, "it is counted")
        response, done = wait_until(lambda: answer_in_time(channel), "an answer within the client's deadline")
    assert dict(done.trailing_metadata())["x-degraded"] == "true"
    assert response.model_version in ("0.1.0", "baseline")
    found, _ = call(channel, message())
    assert list(found.outputs[0].contents.fp64_contents) == pytest.approx(expected, abs=1e-12)


def test_too_many_rows_for_the_model_are_refused_with_the_time_to_wait(served, channel):
    def overloaded():
        try:
            answer_in_time(channel)
        except grpc.RpcError as error:
            return error
        return None

    with stopped_champion(served):
        waiting = [begin(channel, tiny_rows(100)) for _ in range(90)]
        error = wait_until(overloaded, "a call is refused")
        for each in waiting:
            each.cancel()
        wait_until(lambda: metric(served, "gateway_requests_in_flight") == 0, "the cancelled calls are over")
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing = dict(error.trailing_metadata())
    assert trailing["x-error-code"] == "OVERLOADED"
    assert int(trailing["grpc-retry-pushback-ms"]) == 1000 * int(trailing["retry-after"]) >= 1000


def test_many_calls_at_once_are_all_answered(channel, expected):
    calls = [begin(channel, [row]) for row in ROWS * 20]
    found = [each.result().outputs[0].contents.fp64_contents[0] for each in calls]
    assert found == pytest.approx(expected * 20, abs=1e-12)


def frame(kind, flags, stream, payload):
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def bare_call(stream, body):
    """The frames of a call, as a client writes them that knows no better."""
    fields = {":method": "POST", ":scheme": "http", ":path": METHOD, ":authority": "x", "te": "trailers"}
    fields |= {"content-type": "application/grpc", **KEY}
    head = b"".join(b"\x00" + b"".join(bytes([len(s)]) + s.encode() for s in field) for field in fields.items())
    return frame(1, 4, stream, head) + frame(0, 1, stream, b"\x00" + len(body).to_bytes(4) + body)


def test_a_client_that_never_reads_its_answers_disturbs_nobody(served, channel, expected):
    body = message([["AA", 1.0, 7]] * 500).SerializeToString()  # below the size of a frame
    with socket.create_connection(served.grpc.split(":")) as deaf:
        deaf.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        for number in range(100):
            deaf.settimeout(1)
            try:
                deaf.sendall(bare_call(2 * number + 1, body))
            except OSError:
                break  # the gateway takes no more from it
        found, _ = call(channel, message())
        assert list(found.outputs[0].contents.fp64_contents) == pytest.approx(expected, abs=1e-12)
        wait_until(lambda: metric(served, "gateway_requests_in_flight") == 0, "its requests are answered all the same")
    wait_until(lambda: call(channel, message())[0].model_version == "0.2.0", "the champion answers")


def test_connections_that_say_nothing_or_no_http_2_disturb_nobody(served, channel, expected):
    address = served.grpc.split(":")
    with socket.create_connection(address), socket.create_connection(address) as other:
        other.sendall(b"GET / HTTP/1.1\r\n\r\n" * 1000)
        found, _ = call(channel, message())
    assert list(found.outputs[0].contents.fp64_contents) == pytest.approx(expected, abs=1e-12)


def test_the_requests_are_counted_by_protocol(served, channel):
    def counted(protocol):
        name = f'gateway_protocol_requests_total{{pipeline="tiny",protocol="{protocol}"}} '
        text = served.operate.get("/metrics").text
        return float(next(line.removeprefix(name) for line in text.splitlines() if line.startswith(name)))

    before = {name: counted(name) for name in ("mlflow", "open-inference-grpc")}
    call(channel, message())
    served.ask(ROWS)
    assert {name: counted(name) - count for name, count in before.items()} == {"mlflow": 1, "open-inference-grpc": 1}


def test_a_killed_worker_and_a_rollback_fail_no_call(served):
    port = int(served.grpc.split(":")[1])
    before = served.wait_for_worker(served.champion.digest)
    with keep_calling(port, headers=KEY) as load:
        load.wait_for(20)
        os.kill(before["pid"], signal.SIGKILL)
        load.wait_for(1, "fallback")
        load.wait_for(20)
        rollback = end_trial(served.root, reason=Reason.ROLLBACK, champion=served.fallback)
        served.wait_for_generation(rollback.generation)
        load.wait_for(20)
    assert load.failed == []
    assert load.rungs["baseline"] == 0


def test_nothing_of_this_was_an_error_of_the_gateway(served):
    """The last test of the module."""
    assert "Traceback" not in served.output.read_text()
