"""The demo's load: a real load process against a real server, with requests from files."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chaos.load import RequestFiles
from cli.demo.traffic import Traffic
from cli.feature_rows import FeatureRows
from cli.stack.process_tree import ProcessTree, wait_until


class Echo(BaseHTTPRequestHandler):
    """Answers with the first feature of the row in the request."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        [row] = body["dataframe_split"]["data"]
        answer = json.dumps({"predictions": [row[1]]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.send_header("x-model-digest", "echo")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the load opens many connections at once


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Echo) as echo:
        thread = threading.Thread(target=echo.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{echo.server_port}"
        echo.shutdown()
        thread.join()


def _rows(*values):
    return FeatureRows(("id", "x"), tuple((f"key-{value}", float(value)) for value in values))


def test_the_load_sends_the_newest_requests_and_records_every_answer(tmp_path, server):
    traffic = Traffic(tmp_path)
    traffic.ask_about(_rows(1, 2))
    with ProcessTree() as tree:
        traffic.start(tree, server, dict(os.environ))
        assert wait_until(lambda: traffic.count() >= 20, 30.0)
        traffic.ask_about(_rows(7))
        assert wait_until(lambda: any(a.predictions == (7.0,) for a in traffic.answers()), 30.0)
        assert traffic.running()
        traffic.stop(tree)
    answers = traffic.answers()
    assert {(answer.status, answer.error) for answer in answers} == {(200, "")}
    assert sorted(answer.index for answer in answers) == list(range(len(answers)))
    expected = {"000001/0": 1.0, "000001/1": 2.0, "000002/0": 7.0}
    assert {answer.row: answer.predictions[0] for answer in answers} == expected
    assert {answer.digest for answer in answers} == {"echo"}


def test_nothing_is_counted_before_the_first_whole_answer(tmp_path):
    traffic = Traffic(tmp_path)
    assert traffic.count() == 0
    traffic.answers_file.write_bytes(b'{"index": 0, "row"')
    assert traffic.count() == 0


def test_requests_start_again_after_the_last_one_and_carry_their_route_key(tmp_path):
    traffic = Traffic(tmp_path)
    traffic.ask_about(_rows(1, 2))
    files = RequestFiles(traffic.requests_directory)
    requests = [files.next_request(index) for index in range(3)]
    assert [request.row for request in requests] == ["000001/0", "000001/1", "000001/0"]
    assert requests[1].headers == {"x-route-key": "key-2"}
