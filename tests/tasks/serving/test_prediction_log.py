"""Drains copy each entry of the gateway's log into the lake exactly once."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import httpx
import pyarrow as pa
import pytest

from healing.errors import GatewayUnavailable
from tasks.serving import log_streams as gateway_log
from tasks.serving.log_streams import DrainedStream
from tasks.serving.prediction_log import (
    PREDICTION_STREAM,
    Drained,
    LoggedPrediction,
    drain_predictions,
    feedback_table,
    outcomes_table,
    predictions_table,
    read_predictions,
)

DIGEST = "d" * 64


def logged(seq, *, key=None, prediction=0.25, digest=DIGEST, rung="champion", request_id=None):
    return {
        "seq": seq,
        "request_id": request_id or f"r{seq}",
        "row": 0,
        "at": "2026-01-01T12:00:00+00:00",
        "generation": 1,
        "digest": digest,
        "version": "1.0.0",
        "rung": rung,
        "key": key or f"key{seq}",
        "features": {"x": 1.5, "kind": None},
        "prediction": prediction,
    }


@contextmanager
def log_serving(rows, *, epoch=lambda: "e1", acknowledged=None, labels=(), outcomes=()) -> Iterator[str]:
    """A log behind HTTP with pages like the gateway's, without shadow scores. `rows` may grow meanwhile.

    Acknowledgements are appended to `acknowledged`. Without outcomes, None, it is that of an older gateway.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlparse(self.path)
            query = parse_qs(url.query)
            after, limit = int(query["after"][0]), int(query["limit"][0])
            stream = {"/predictions": rows, "/labels": labels, "/outcomes": outcomes}.get(url.path, [])
            if stream is None:
                self.send_error(404)
                return
            found = stream if isinstance(stream, str) else [r for r in stream if r["seq"] > after][:limit]
            self.answer(found if isinstance(found, str) else "".join(json.dumps(row) + "\n" for row in found))

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if acknowledged is not None and self.path == "/predictions/drained":
                acknowledged.append((body["epoch"], body["until"]))
            self.answer("{}")

        def answer(self, body):
            self.send_response(200)
            self.send_header("x-log-epoch", epoch())
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def seqs(root):
    return sorted(predictions_table(root).read(columns=["seq"])["seq"])


def test_each_row_is_copied_once_over_many_pages_and_drains(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway_log, "PAGE_ROWS", 3)
    rows = [logged(seq) for seq in range(1, 8)]
    with log_serving(rows) as url:
        assert drain_predictions(url, tmp_path).rows == 7
        assert drain_predictions(url, tmp_path).rows == 0
        rows.extend(logged(seq) for seq in (8, 9))
        assert drain_predictions(url, tmp_path).until_seq == 9
    assert seqs(tmp_path) == list(range(1, 10))


def test_a_drain_ends_while_requests_keep_arriving(tmp_path):
    class Growing(list):
        """Each iteration over the log adds one more entry, for longer than a test would wait."""

        def __iter__(self):
            if len(self) < 50:
                self.append(logged(len(self) + 1))
            return super().__iter__()

    rows = Growing([logged(1)])
    with log_serving(rows) as url:
        drain_predictions(url, tmp_path)
        until = drain_predictions(url, tmp_path).until_seq
    assert until < 10
    assert seqs(tmp_path) == list(range(1, until + 1))


def test_each_drain_acknowledges_what_the_lake_has(tmp_path):
    acknowledged = []
    with log_serving([logged(1), logged(2)], acknowledged=acknowledged) as url:
        drain_predictions(url, tmp_path)
        drain_predictions(url, tmp_path)
    assert acknowledged == [("e1", 2), ("e1", 2)]


def test_a_new_epoch_is_drained_from_its_beginning(tmp_path):
    with log_serving([logged(seq) for seq in range(1, 6)]) as url:
        drain_predictions(url, tmp_path)
    with log_serving([logged(1, request_id="new"), logged(2)], epoch=lambda: "e2") as url:
        assert drain_predictions(url, tmp_path) == Drained(rows=2, until_seq=2)
        assert drain_predictions(url, tmp_path).rows == 0
    assert seqs(tmp_path) == [1, 1, 2, 2, 3, 4, 5]


def test_a_replacing_entry_keeps_the_number_of_the_replaced_one_across_drains(tmp_path):
    first, again = logged(1, request_id="r"), logged(3, request_id="r", prediction=0.5) | {"replaces": 1}
    rows = [first, logged(2)]
    with log_serving(rows) as url:
        drain_predictions(url, tmp_path)
        rows += [again, logged(4, request_id="s"), logged(5, request_id="s", prediction=0.75) | {"replaces": 4}]
        drain_predictions(url, tmp_path)
        assert drain_predictions(url, tmp_path).until_seq == 5
    found = predictions_table(tmp_path).read(columns=["seq", "request_id", "prediction"])
    assert sorted(found.itertuples(index=False, name=None)) == [(1, "r", 0.5), (2, "r2", 0.25), (4, "s", 0.75)]


def test_new_columns_are_added_to_a_table_of_an_older_version(tmp_path):
    older = [field for field in PREDICTION_STREAM.schema if field.name not in ("failed", "latency_ms")]
    before = DrainedStream("/predictions", LoggedPrediction, pa.schema(older))
    rows = [logged(1), logged(2)]
    with log_serving(rows) as url, httpx.Client(base_url=url) as client:
        before.drain(client, predictions_table(tmp_path))
        rows += [logged(3) | {"failed": DIGEST, "latency_ms": 12.5}, logged(4) | {"replaces": 2, "failed": ""}]
        drain_predictions(url, tmp_path)
        drain_predictions(url, tmp_path)
    found = predictions_table(tmp_path).read(columns=["seq", "failed", "latency_ms"]).sort_values("seq")
    assert found["seq"].tolist() == [1, 2, 3]
    assert found["failed"].tolist() == [None, "", DIGEST]
    assert found["latency_ms"].dropna().tolist() == [12.5]


def test_concurrent_drains_copy_each_row_once(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway_log, "PAGE_ROWS", 5)
    with log_serving([logged(seq) for seq in range(1, 41)]) as url:
        together = [threading.Thread(target=drain_predictions, args=(url, tmp_path)) for _ in range(3)]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
        drain_predictions(url, tmp_path)
    assert seqs(tmp_path) == list(range(1, 41))


def test_the_last_prediction_of_the_model_per_key_is_read(tmp_path):
    rows = [
        logged(1, key="a", prediction=0.1),
        logged(2, key="a", prediction=0.2),
        logged(3, key="b", digest="e" * 64),
        logged(4, key="c", request_id="probe-1"),
        logged(5, key="d", rung="baseline"),
    ]
    with log_serving(rows) as url:
        drain_predictions(url, tmp_path)
    assert read_predictions(tmp_path, DIGEST).to_dict("records") == [{"key": "a", "prediction": 0.2, "outputs": None}]


def test_labels_are_copied_once(tmp_path):
    place = {"request_id": "r1", "row": 0, "at": "2026-01-01T12:00:00+00:00"}
    labels = [{**place, "seq": 1, "label": 0.0}, {**place, "seq": 2, "label": 1.0}]
    with log_serving([], labels=labels) as url:
        for _ in range(2):
            drain_predictions(url, tmp_path)
    assert list(feedback_table(tmp_path).read(columns=["seq", "label"]).sort_values("seq")["label"]) == [0.0, 1.0]


def test_outcomes_are_copied_once(tmp_path):
    place = {"request_id": "r1", "row": 0, "at": "2026-01-01T12:00:00+00:00", "name": "revenue"}
    outcomes = [{**place, "seq": 1, "value": 2.5}, {**place, "seq": 2, "value": 3.5}]
    with log_serving([logged(1) | {"client": "00ff"}, logged(2)], outcomes=outcomes) as url:
        for _ in range(2):
            drain_predictions(url, tmp_path)
    found = outcomes_table(tmp_path).read(columns=["seq", "name", "value"]).sort_values("seq")
    assert found["value"].tolist() == [2.5, 3.5]
    assert found["name"].tolist() == ["revenue"] * 2
    assert predictions_table(tmp_path).read(columns=["seq", "client"])["client"].tolist() == ["00ff", None]


def test_a_gateway_of_an_older_version_is_drained_without_outcomes(tmp_path):
    with log_serving([logged(1)], outcomes=None) as url:
        drain_predictions(url, tmp_path)
    assert seqs(tmp_path) == [1]
    assert outcomes_table(tmp_path).version() is None


def test_before_the_first_drain_there_are_no_predictions(tmp_path):
    assert read_predictions(tmp_path, DIGEST).empty


@pytest.mark.parametrize("body", ["<html>", '{"seq": "many"}'])
def test_an_invalid_log_is_a_gateway_error(tmp_path, body):
    with log_serving(body) as url, pytest.raises(GatewayUnavailable):
        drain_predictions(url, tmp_path)


def test_an_unreachable_gateway_is_named(tmp_path):
    with log_serving([]) as url:
        pass
    with pytest.raises(GatewayUnavailable, match="expected the log"):
        drain_predictions(url, tmp_path)
