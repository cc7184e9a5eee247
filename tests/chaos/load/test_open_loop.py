import socket

import pytest

from chaos.load import Lost, OpenLoop, Request
from chaos.load.answer import decode
from tests.chaos.model_server import model_server


@pytest.fixture
def server():
    with model_server() as running:
        yield running


def load(server, answers, **changes):
    bounds = {"rate_per_second": 200.0, "requests_max": 20, "seconds_max": 10.0}
    return OpenLoop(
        url=f"{server.url}/invocations",
        next_request=lambda index: Request(row=str(index % 4), content=b"{}", headers={"x-request-id": f"r{index}"}),
        on_exchange=lambda exchange: answers.append(decode(exchange)),
        **{**bounds, **changes},
    )


async def test_every_request_is_answered_and_recorded_once(server):
    answers = []
    assert await load(server, answers).run() == 20
    assert sorted(answer.index for answer in answers) == list(range(20))
    first = answers[0]
    assert (first.status, first.predictions, first.digest, first.rung, first.generation) == (
        200,
        (0.25,),
        "abc",
        "champion",
        3,
    )
    assert not first.degraded


async def test_a_slow_server_does_not_slow_the_schedule(server):
    server.delay_seconds = 0.5
    answers = []
    await load(server, answers, rate_per_second=40.0).run()
    # a closed loop would have sent the last request after 19 answers, 9.5 s; here all are out before the second answer
    assert len([at for at in server.arrivals if at < min(answer.answered_at for answer in answers)]) >= 15


async def test_latency_counts_from_when_a_request_was_due(server):
    server.delay_seconds = 0.1
    answers = []
    await load(server, answers, rate_per_second=100.0, requests_max=10, in_flight_max=1).run()
    last = max(answers, key=lambda answer: answer.index)
    assert last.sent_at > last.intended_at
    assert last.latency_seconds >= 9 * 0.1 - 0.1  # it waited for the nine before it, and that is not hidden


async def test_it_ends_at_its_time_bound(server):
    answers = []
    sent = await load(server, answers, rate_per_second=50.0, requests_max=10_000, seconds_max=0.3).run()
    assert sent == len(answers) <= 15


async def test_it_ends_when_it_is_stopped(server):
    answers = []
    loop = load(server, answers, requests_max=10_000, stopped=lambda: len(answers) >= 5)
    assert await loop.run() < 10_000
    assert len(answers) >= 5


async def test_a_refused_connection_is_an_answer_without_status():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answers = []
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/invocations"
        await OpenLoop(url, lambda _: Request("0", b"{}"), lambda e: answers.append(decode(e)), 100.0, 3, 5.0).run()
    assert [(answer.status, answer.lost) for answer in answers] == [(None, Lost.BROKEN)] * 3
    assert all("ConnectionRefusedError" in answer.error for answer in answers)


async def test_a_silent_server_is_given_up_after_the_timeout(server):
    server.delay_seconds = 30.0
    answers = []
    await load(server, answers, requests_max=2, timeout_seconds=0.3).run()
    assert [(answer.status, answer.lost) for answer in answers] == [(None, Lost.TIMED_OUT)] * 2
    assert all(answer.latency_seconds >= 0.3 for answer in answers)


async def test_a_request_above_the_limit_is_recorded_as_unsent(server):
    server.delay_seconds = 0.5
    answers = []
    sent = await load(server, answers, requests_max=10, in_flight_max=3, drop_when_full=True).run()
    assert sent == len(answers) == 10
    assert sum(answer.lost is Lost.UNSENT for answer in answers) == 7
    assert len(server.arrivals) == 3


async def test_connections_are_used_again(server):
    answers = []
    await load(server, answers, rate_per_second=20.0, requests_max=5).run()
    assert len(server.connections) == 1


@pytest.mark.parametrize("body", [b"not json", b"{}", b'{"predictions": ["x"]}'])
async def test_an_unreadable_answer_is_an_error(server, body):
    server.body = body
    answers = []
    await load(server, answers, requests_max=1).run()
    assert answers[0].status == 200
    assert answers[0].predictions == ()
    assert "unreadable" in answers[0].error


async def test_an_error_status_carries_what_the_server_said(server):
    server.status, server.body = 503, b"no release yet"
    answers = []
    await load(server, answers, requests_max=1).run()
    assert (answers[0].status, answers[0].error) == (503, "no release yet")
