"""The client against servers that behave, break and fall silent: what it writes down is what happened."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving.client import BROKEN, SILENT, UNSENT
from benchmarks.serving.flights import World
from benchmarks.serving.load import Load, send
from benchmarks.serving.targets import GATEWAY, Target

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\nX-Rung: champion\r\n\r\n" + b'{"predictions":[0.5]}'
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {}, {}, 0.2, ["distance"], [], [[float(n)] for n in range(8)], [str(n) for n in range(8)])


@contextmanager
def serving(*answers: bytes) -> Iterator[int]:
    """A server that gives each connection these answers in turn, the last one for ever; b'' closes, None hangs."""
    listener = socket.create_server(("127.0.0.1", 0))
    closing = threading.Event()

    def talk(way: socket.socket) -> None:
        number = 0
        with way:
            while not closing.is_set() and way.recv(65536):
                answer = answers[min(number, len(answers) - 1)]
                number += 1
                if not answer:
                    return
                if answer == b"silence":
                    closing.wait()
                    return
                way.sendall(answer)

    def accept() -> None:
        while True:
            try:
                way, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(way,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def load(**changed: object) -> Load:
    return Load(**({"clients": 2, "seconds": 0.5, "warmup_seconds": 0.0, "silent_seconds": 0.3} | changed))


@pytest.mark.parametrize("answer", [GOOD, CHUNKED], ids=["content-length", "chunked"])
def test_reads_whole_answers_and_asks_again(world, answer):
    with serving(answer) as port:
        answers = send(Target("server", port, GATEWAY, world), load())
    assert answers.failed == 0
    assert len(answers.status) > 10
    assert set(answers.row) == set(range(8))
    assert (answers.ended >= answers.due).all()


def test_marks_tell_answers_apart_by_their_head(world):
    with serving(GOOD) as port:
        answers = send(Target("server", port, GATEWAY, world), load(marks=("x-rung: champion", "x-degraded: true")))
    assert answers.marked(0).all()
    assert not answers.marked(1).any()


def test_sampled_answers_are_held_against_the_model(world):
    with serving(GOOD) as port:
        target = Target("server", port, GATEWAY, world)
        answers = send(target, load())
    assert answers.check(target, np.full(8, 0.5)) == 1
    assert answers.check(target, np.full(8, 0.6)) == 0


def test_a_cut_connection_is_a_failed_request_and_the_client_comes_back(world):
    with serving(GOOD, b"") as port:
        answers = send(Target("server", port, GATEWAY, world), load())
    assert set(answers.status) == {BROKEN, 200}
    assert (answers.status == 200).sum() > 4  # more than one connection each


def test_a_silent_server_costs_one_failed_request_each_time_patience_ends(world):
    with serving(b"silence") as port:
        answers = send(Target("server", port, GATEWAY, world), load(seconds=1.0))
    assert set(answers.status) == {SILENT}
    assert len(answers.status) >= 4


def test_a_refusal_is_written_down_with_its_status(world):
    with serving(BUSY) as port:
        answers = send(Target("server", port, GATEWAY, world), load())
    assert set(answers.status) == {503}
    assert answers.requests_per_second == 0


def test_open_loop_keeps_its_schedule_whether_answered_or_not(world):
    with serving(b"silence") as port:
        answers = send(Target("server", port, GATEWAY, world), load(clients=5, rate=100, seconds=1.0))
    assert 90 <= len(answers.due) <= 100
    assert (answers.status == SILENT).any()
    assert (answers.status == UNSENT).any()
