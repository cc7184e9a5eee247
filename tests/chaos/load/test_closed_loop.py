"""The closed loop against servers that answer, break the connection and fall silent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chaos.load import ClosedLoop, Lost, Request
from chaos.load.answer import decode

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\nX-Rung: champion\r\n\r\n" + b'{"predictions":[0.5]}'
IN_PARTS = (GOOD[:30], GOOD[30:70], GOOD[70:])
CHUNKED = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n15\r\n{"predictions":[0.5]}\r\n0\r\n\r\n'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"
CLOSING = GOOD.replace(b"X-Rung", b"Connection: close\r\nX-Rung")
CLOSE, SILENCE = b"", b"silence"


@contextmanager
def serving(*answers: bytes | tuple[bytes, ...]) -> Iterator[str]:
    """A server that gives each connection these answers in turn, the last one for ever; it yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    closing = threading.Event()

    def talk(way: socket.socket) -> None:
        number = 0
        with way:
            while not closing.is_set() and way.recv(65536):
                answer = answers[min(number, len(answers) - 1)]
                number += 1
                if answer == CLOSE:
                    return
                if answer == SILENCE:
                    closing.wait()
                    return
                for part in answer if isinstance(answer, tuple) else (answer,):
                    way.sendall(part)
                    closing.wait(0.002 if isinstance(answer, tuple) else 0)

    def accept() -> None:
        while True:
            try:
                way, _ = listener.accept()
            except OSError:
                return
            way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=talk, args=(way,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/invocations"
    finally:
        closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


async def answers_of(url, **changed):
    answers = []
    bounds = {"clients": 2, "seconds_max": 0.5, "timeout_seconds": 0.3}
    loop = ClosedLoop(
        url=url,
        next_request=lambda index: Request(str(index % 8), b"{}"),
        on_exchange=lambda exchange: answers.append(decode(exchange)),
        **{**bounds, **changed},
    )
    assert await loop.run() == len(answers)
    return answers


@pytest.mark.parametrize("answer", [GOOD, IN_PARTS, CHUNKED], ids=["content-length", "in-parts", "chunked"])
async def test_each_client_sends_again_after_a_whole_answer(answer):
    with serving(answer) as url:
        answers = await answers_of(url)
    assert {(each.status, each.predictions, each.error) for each in answers} == {(200, (0.5,), "")}
    assert len(answers) > 10
    assert {each.row for each in answers} == {str(row) for row in range(8)}
    assert all(each.answered_at >= each.sent_at >= each.intended_at for each in answers)


async def test_a_cut_connection_is_a_broken_request_and_the_client_connects_again():
    with serving(GOOD, CLOSE) as url:
        answers = await answers_of(url)
    assert {(each.status, each.lost) for each in answers} == {(None, Lost.BROKEN), (200, None)}
    assert sum(each.status == 200 for each in answers) > 4  # more than one connection per client


async def test_a_server_that_closes_after_each_answer_breaks_no_request():
    with serving(CLOSING) as url:
        answers = await answers_of(url)
    assert {(each.status, each.lost) for each in answers} == {(200, None)}
    assert len(answers) > 4


async def test_a_silent_server_costs_one_request_per_timeout():
    with serving(SILENCE) as url:
        answers = await answers_of(url, seconds_max=1.0)
    assert {each.lost for each in answers} == {Lost.TIMED_OUT}
    assert len(answers) >= 4


async def test_a_refusal_is_recorded_with_its_status_and_text():
    with serving(BUSY) as url:
        answers = await answers_of(url)
    assert {(each.status, each.error) for each in answers} == {(503, "busy")}


async def test_what_is_not_http_is_a_broken_request():
    with serving(b"hello\r\n") as url:
        answers = await answers_of(url)
    assert {each.lost for each in answers} == {Lost.BROKEN}
    assert all("HTTP" in each.error for each in answers)


async def test_it_ends_when_it_is_stopped():
    sent = []
    with serving(GOOD) as url:
        await answers_of(url, seconds_max=60.0, stopped=lambda: sent.append(0) or len(sent) > 20)
    assert len(sent) > 20
