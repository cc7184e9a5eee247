"""A real gateway and a real collector: the spans of requests, whose clients send what W3C Trace Context allows."""

import json
import socket

import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from gateway.settings import parse_settings
from healing.errors import ConfigError
from tests.collector import collecting, values
from tests.gateway.ports.grpc.running import grpc_port, tensors
from tests.gateway.running import run_gateway, split_body, wait_until
from tests.published import (
    bootstrap,
    nan_estimator,
    publish_tiny_model,
    raising_estimator,
    start_canary,
    tiny_rows,
)

pytestmark = pytest.mark.timeout(300)  # a cold fork server imports scikit-learn: 4 s idle, 80 s on a crowded machine
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
UNKNOWN_CARRIER = "ZZ"  # on which the champion raises


@pytest.fixture(scope="module")
def stage(tmp_path_factory, keys):
    """A gateway that traces only the requests whose clients ask for it."""
    home = tmp_path_factory.mktemp("traced")
    root = home / "releases"
    champion = publish_tiny_model(root, keys, version="1.0.0", estimator=raising_estimator())
    fallback = publish_tiny_model(root, keys, version="0.9.0", seed=1, estimator=nan_estimator())
    challenger = publish_tiny_model(root, keys, version="1.1.0", seed=2)
    bootstrap(root, champion, fallbacks=(fallback,))
    with collecting() as collector:
        options = ("--traces-url", collector.url, "--traces-ratio", "0", "--grpc-port", "0")
        with run_gateway(root, keys, home / "gateway", *options) as gateway:
            for model in (champion, fallback):
                gateway.wait_for_worker(model.digest)
            gateway.wait_for_generation(1)
            yield gateway, collector, root, challenger


def traced(stage, trace, rows, **headers):
    """The answer to a request of this trace, and its spans by name."""
    gateway, collector, *_ = stage
    reply = gateway.ask(rows, traceparent=f"00-{trace}-{PARENT}-01", **headers)

    def spans():
        return [span for span in list(collector.spans) if span.trace_id.hex() == trace]

    wait_until(lambda: any(span.name.startswith("POST") for span in spans()), "the span of the request arrives")
    by_name = {span.name: span for span in spans()}
    return reply, by_name


def evaluation(span):
    """The attributes of the event that names the version."""
    (event,) = span.events
    assert event.name == "feature_flag.evaluation"
    return values(event.attributes)


def test_a_request_is_a_tree_of_spans_below_the_span_of_its_caller(stage):
    rows = tiny_rows(3)
    reply, spans = traced(stage, TRACE, rows, x_request_id="mine", tracestate="vendor=1")
    assert reply.status_code == 200
    assert set(spans) == {"POST /invocations", "route", "ask", "queue", "batch", "worker", "log"}
    server = spans["POST /invocations"]
    assert (server.parent_span_id.hex(), server.kind, server.trace_state) == (PARENT, 2, "vendor=1")
    parents = {
        name: next((n for n, s in spans.items() if s.span_id == span.parent_span_id), None)
        for name, span in spans.items()
    }
    assert parents == {
        "POST /invocations": None,
        "route": "POST /invocations",
        "ask": "route",
        "queue": "ask",
        "batch": "ask",
        "worker": "batch",
        "log": "POST /invocations",
    }
    assert values(server.attributes) == {
        "http.request.method": "POST",
        "url.path": "/invocations",
        "url.scheme": "http",
        "http.route": "/invocations",
        "http.response.status_code": 200,
        "autopilot.pipeline": "tiny",
        "autopilot.request_id": "mine",
        "autopilot.rows": 3,
        "autopilot.rung": "champion",
    }
    assert reply.headers["traceresponse"] == f"00-{TRACE}-{server.span_id.hex()}-01"
    inside = [span for span in spans.values() if span is not server]
    assert all(span.start_time_unix_nano >= server.start_time_unix_nano for span in inside)
    assert all(span.end_time_unix_nano <= server.end_time_unix_nano for span in inside)


def test_a_batch_links_to_its_requests_and_they_link_to_it(stage):
    _, spans = traced(stage, "1" * 32, tiny_rows(1))
    assert [link.span_id for link in spans["batch"].links] == [spans["queue"].span_id]
    assert [link.span_id for link in spans["queue"].links] == [spans["batch"].span_id]


def test_the_version_that_answered_is_an_evaluation_with_its_reason(stage):
    reply, spans = traced(stage, "2" * 32, tiny_rows(1))
    found = evaluation(spans["POST /invocations"])
    assert found == {
        "feature_flag.key": "tiny",
        "feature_flag.provider.name": "mlops-autopilot",
        "feature_flag.result.variant": "1.0.0",
        "feature_flag.result.reason": "static",
        "feature_flag.version": "1",
        "autopilot.rung": "champion",
        "autopilot.model.digest": reply.headers["x-model-digest"],
    }


def test_a_fallback_answers_because_of_an_error_and_the_baseline_by_default(stage):
    _, spans = traced(stage, "3" * 32, [[UNKNOWN_CARRIER, 1.0, 3]])
    found = evaluation(spans["POST /invocations"])
    assert (found["autopilot.rung"], found["feature_flag.result.reason"]) == ("fallback", "error")
    assert (found["feature_flag.result.variant"], found["error.type"]) == ("0.9.0", "rowrefused")
    assert spans["POST /invocations"].status.code == 0  # the client has its answer
    _, spans = traced(stage, "4" * 32, [[UNKNOWN_CARRIER, 0.0, 3]])
    found = evaluation(spans["POST /invocations"])
    assert (found["feature_flag.result.variant"], found["feature_flag.result.reason"]) == ("baseline", "default")


def test_a_forced_version_is_a_match_of_its_target(stage):
    reply, _ = traced(stage, "5" * 32, tiny_rows(1))
    _, spans = traced(stage, "6" * 32, tiny_rows(1), x_model_digest=reply.headers["x-model-digest"])
    assert evaluation(spans["POST /invocations"])["feature_flag.result.reason"] == "targeting_match"
    assert "log" not in spans  # a probe is not logged


def test_a_refused_request_has_its_status_and_no_version(stage):
    reply, spans = traced(stage, "7" * 32, [["AA", "far", 3]])
    server = spans["POST /invocations"]
    assert (reply.status_code, values(server.attributes)["http.response.status_code"]) == (400, 400)
    assert (len(server.events), server.status.code) == (0, 0)  # the client's own mistake is no error of the server


def test_a_request_that_is_not_sampled_has_no_span_and_the_same_answer(stage):
    gateway, collector, *_ = stage
    before = len(collector.spans)
    for header in (NOT_SAMPLED, "", "garbage", SAMPLED.upper(), f"00-{'0' * 32}-{PARENT}-01", f"{SAMPLED}-more"):
        reply = gateway.ask(traceparent=header)
        assert (reply.status_code, "traceresponse" in reply.headers) == (200, False)
    traced(stage, "8" * 32, tiny_rows(1))  # what came before it has arrived as well
    assert {span.trace_id.hex() for span in collector.spans[before:]} == {"8" * 32}


def test_two_headers_name_no_parent(stage):
    gateway, *_ = stage
    headers = [("traceparent", SAMPLED), ("traceparent", SAMPLED)]
    reply = gateway.predict.post("/invocations", json=split_body(tiny_rows(1)), headers=headers)
    assert (reply.status_code, "traceresponse" in reply.headers) == (200, False)


def test_a_request_in_parts_is_traced_as_one_that_comes_whole(stage):
    gateway, collector, *_ = stage
    trace = "9" * 32
    body = json.dumps(split_body(tiny_rows(1))).encode()
    head = (
        "POST /v2/models/tiny/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        f"traceparent: 00-{trace}-{PARENT}-01\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    address = gateway.predict.base_url
    with socket.create_connection((address.host, address.port), timeout=60) as client:
        client.sendall(head.encode() + body[:5])
        gateway.ask()  # the request has begun before this is answered
        client.sendall(body[5:])
        reply = b"".join(iter(lambda: client.recv(65536), b""))
    assert f"traceresponse: 00-{trace}-".encode() in reply
    name = "POST /v2/models/{model_name}/infer"
    (span,) = wait_until(lambda: collector.named(name), "its span arrives")
    assert values(span.attributes)["url.path"] == "/v2/models/tiny/infer"


def test_a_grpc_call_is_traced_with_the_conventions_of_rpc(stage):
    gateway, collector, *_ = stage
    parents = {outcome: f"00-{digit * 32}-{PARENT}-01" for outcome, digit in (("good", "c"), ("wrong", "d"))}
    with InferenceServerClient(f"127.0.0.1:{grpc_port(gateway.output)}") as client:
        client.infer("tiny", tensors(tiny_rows(2)), headers={"traceparent": parents["good"]})
        with pytest.raises(InferenceServerException):
            client.infer("tiny", tensors(tiny_rows(2))[:1], headers={"traceparent": parents["wrong"]})
        client.infer("tiny", tensors(tiny_rows(2)), headers={"traceparent": NOT_SAMPLED})
    name = "inference.GRPCInferenceService/ModelInfer"
    wait_until(lambda: len(collector.named(name)) == 2, "both spans arrive")
    good, wrong = collector.named(name)
    assert (
        values(good.attributes).items()
        >= {
            "rpc.system": "grpc",
            "rpc.service": "inference.GRPCInferenceService",
            "rpc.method": "ModelInfer",
            "rpc.grpc.status_code": 0,
            "autopilot.rung": "champion",
        }.items()
    )
    assert (good.trace_id.hex(), good.parent_span_id.hex()) == ("c" * 32, PARENT)
    assert (values(wrong.attributes)["rpc.grpc.status_code"], wrong.status.code) == (3, 0)
    assert {span.name for span in collector.spans if span.trace_id.hex() == "c" * 32} > {"batch", "worker", "log"}


def test_metrics_count_spans_and_the_durations_of_all_requests(stage):
    gateway, *_ = stage
    gateway.ask()
    text = gateway.operate.get("/metrics").text
    assert 'gateway_spans_total{outcome="failed",pipeline="tiny"} 0.0' in text
    assert 'gateway_spans_total{outcome="dropped",pipeline="tiny"} 0.0' in text
    series = (
        'http_server_request_duration_seconds_bucket{http_request_method="POST",http_response_status_code="200",'
        'http_route="/invocations",le="0.075",pipeline="tiny"}'
    )
    assert series in text


def test_log_lines_are_json_with_the_service_and_the_pipeline(stage):
    written = stage[0].output.read_text().splitlines()
    lines = [json.loads(line) for line in written if line.startswith("{")]  # numpy warns in a worker, in plain text
    assert {(line["service"], line["pipeline"]) for line in lines} == {("gateway", "tiny")}
    assert {"gateway_listening", "worker_ready"} <= {line["event"] for line in lines}


def test_in_a_trial_champion_and_challenger_answer_by_the_split(stage):
    gateway, collector, root, challenger = stage
    gateway.wait_for_generation(start_canary(root, challenger, 0.5).generation)
    traces = [f"a{number:031x}" for number in range(16)]
    for trace in traces:
        gateway.ask(traceparent=f"00-{trace}-{PARENT}-01", x_route_key=f"client {trace}")

    def servers():
        return [span for span in list(collector.spans) if span.events and span.trace_id.hex() in traces]

    wait_until(lambda: len(servers()) == len(traces), "their spans arrive")
    seen = [evaluation(span) for span in servers()]
    found = {(each["autopilot.rung"], each["feature_flag.result.reason"]) for each in seen}
    assert found == {("champion", "split"), ("challenger", "split")}


@pytest.mark.parametrize("behaviour", ["hang", 500])
def test_a_collector_that_fails_slows_no_answer_and_is_counted(stage, behaviour):
    gateway, collector, *_ = stage
    collector.behaviour = behaviour
    try:
        statuses = {gateway.ask(traceparent=SAMPLED).status_code for _ in range(200)}  # 10 s each if one waited
        assert statuses == {200}
        text = gateway.operate.get("/metrics").text
        (waiting,) = [line for line in text.splitlines() if line.startswith("gateway_spans_waiting{")]
        assert float(waiting.split()[-1]) <= 4096
    finally:
        collector.behaviour = "take"
    traced(stage, f"b{0 if behaviour == 500 else 1:031x}", tiny_rows(1))  # it takes spans again


def test_an_address_that_is_none_is_refused_with_what_was_found(tmp_path):
    paths = [f"--{name}={tmp_path}" for name in ("release-root", "public-key", "state-dir")]
    with pytest.raises(ConfigError, match=r"--traces-url: .*'localhost:4318'"):
        parse_settings(["--pipeline", "tiny", *paths, "--traces-url", "localhost:4318"])


def test_the_end_of_the_gateway_does_not_wait_for_a_collector_that_hangs(stage):
    gateway, collector, *_ = stage  # the last test of the stage: it ends the gateway
    collector.behaviour = "hang"
    assert gateway.ask(traceparent=SAMPLED).headers["traceresponse"].endswith("-01")
    assert gateway.stop() == 0
