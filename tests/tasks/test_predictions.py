"""The gateway's log comes into the lake exactly once, whoever drains it and how often."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import pytest

from healing.errors import GatewayUnavailable
from tasks import predictions
from tasks.predictions import drain_predictions, predictions_table, read_predictions

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
def log_serving(rows) -> Iterator[str]:
    """A prediction log behind HTTP, paged as the gateway's is; `rows` may grow meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            query = parse_qs(urlparse(self.path).query)
            after, limit = int(query["after"][0]), int(query["limit"][0])
            found = rows if isinstance(rows, str) else [r for r in rows if r["seq"] > after][:limit]
            body = found if isinstance(found, str) else "".join(json.dumps(row) + "\n" for row in found)
            self.send_response(200)
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


def test_every_row_comes_in_once_over_many_pages_and_drains(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "PAGE_ROWS", 3)
    rows = [logged(seq) for seq in range(1, 8)]
    with log_serving(rows) as url:
        assert drain_predictions(url, tmp_path).rows == 7
        assert drain_predictions(url, tmp_path).rows == 0
        rows.extend(logged(seq) for seq in (8, 9))
        assert drain_predictions(url, tmp_path).until_seq == 9
    assert seqs(tmp_path) == list(range(1, 10))


def test_a_drain_ends_although_clients_go_on_asking(tmp_path):
    class Growing(list):
        """Every look at the log finds one more answer in it, for longer than anybody would wait."""

        def __iter__(self):
            if len(self) < 50:
                self.append(logged(len(self) + 1))
            return super().__iter__()

    rows = Growing([logged(1)])
    with log_serving(rows) as url:
        assert drain_predictions(url, tmp_path).rows == 2
        assert drain_predictions(url, tmp_path).rows == 1
    assert seqs(tmp_path) == [1, 2, 3]


def test_two_drains_at_once_bring_every_row_in_once(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "PAGE_ROWS", 5)
    with log_serving([logged(seq) for seq in range(1, 41)]) as url:
        together = [threading.Thread(target=drain_predictions, args=(url, tmp_path)) for _ in range(3)]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
        drain_predictions(url, tmp_path)
    assert seqs(tmp_path) == list(range(1, 41))


def test_the_last_answer_of_the_model_to_each_key_is_read(tmp_path):
    rows = [
        logged(1, key="a", prediction=0.1),
        logged(2, key="a", prediction=0.2),
        logged(3, key="b", digest="e" * 64),
        logged(4, key="c", request_id="probe-1"),
        logged(5, key="d", rung="baseline"),
    ]
    with log_serving(rows) as url:
        drain_predictions(url, tmp_path)
    assert read_predictions(tmp_path, DIGEST).to_dict("records") == [{"key": "a", "prediction": 0.2}]


def test_before_the_first_drain_there_are_none(tmp_path):
    assert read_predictions(tmp_path, DIGEST).empty


@pytest.mark.parametrize("answer", ["<html>", '{"seq": "many"}'])
def test_an_answer_that_is_no_log_is_the_gateways_fault(tmp_path, answer):
    with log_serving(answer) as url, pytest.raises(GatewayUnavailable):
        drain_predictions(url, tmp_path)


def test_a_gateway_that_is_away_is_named(tmp_path):
    with log_serving([]) as url:
        pass
    with pytest.raises(GatewayUnavailable, match="prediction log"):
        drain_predictions(url, tmp_path)
