"""Clients that hang up or give up: no model computes for nobody, and who gives up early gets an answer in time."""

import asyncio
import os
import signal
import time

import pytest

from gateway.ports.hangups import WATCH_AFTER_SECONDS, HangUps
from tests.gateway.running import run_gateway, split_body, wait_until
from tests.published import BASELINE, bootstrap, publish_tiny_model, tiny_rows


async def test_a_request_whose_client_hangs_up_is_cancelled_and_counted_once():
    hangups, gone = HangUps(), asyncio.Event()
    outcome: list[bool] = []

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def request():
        task = asyncio.current_task()
        assert task is not None
        hangups.begin(task, receive)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            outcome.append(hangups.hung_up(task))
            outcome.append(hangups.hung_up(task))
        finally:
            hangups.end(task)

    running = asyncio.create_task(request())
    await asyncio.sleep(WATCH_AFTER_SECONDS + 0.01)
    await hangups.look()
    gone.set()
    await running
    assert outcome == [True, False]
    assert hangups.ended == 1


@pytest.fixture
def stopped(root, keys, state_dir):
    """A gateway whose only worker does not answer, and is not given up for a while."""
    bootstrap(root, publish_tiny_model(root, keys))
    options = ("--batch-deadline-seconds", "20", "--request-deadline-seconds", "30", "--hang-seconds", "60")
    with run_gateway(root, keys, state_dir, *options) as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        (worker,) = gateway.release()["workers"]
        os.kill(worker["pid"], signal.SIGSTOP)
        yield gateway
        os.kill(worker["pid"], signal.SIGKILL)


@pytest.mark.timeout(300)
def test_who_gives_up_early_gets_the_baseline_in_time_and_who_hangs_up_is_forgotten(stopped):
    for timeout in ("0", "-1", "soon", "1.5", "999999999"):
        reply = stopped.ask(x_request_timeout_ms=timeout)
        assert (reply.status_code, reply.json()["field"]) == (400, "x-request-timeout-ms")

    started = time.monotonic()
    reply = stopped.ask(x_request_timeout_ms="300")
    assert time.monotonic() - started < 15  # far below the version's own deadline
    assert (reply.headers["x-rung"], reply.json()) == ("baseline", {"predictions": [BASELINE]})

    address = stopped.predict.base_url
    body = stopped.predict.build_request("POST", "/invocations", json=split_body(tiny_rows(1))).content

    async def hang_up() -> None:
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    asyncio.run(hang_up())
    wait_until(
        lambda: 'gateway_requests_abandoned_total{pipeline="tiny"} 1.0' in stopped.operate.get("/metrics").text,
        "it is forgotten",
    )
