"""The status page at the operate port of a gateway that has not started: before the first release."""

import asyncio

import httpx
import pytest

from gateway.ports.keys import read_keys
from gateway.ports.operate import operate_app
from gateway.ports.status.traffic import SAMPLES_KEPT
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from gateway.workers.warm import WarmForks

KEY = "an-operate-key-of-tests"


def settings(tmp_path, **changed):
    return GatewaySettings(
        pipeline="tiny",
        release_root=tmp_path / "releases",
        public_key=tmp_path / "key.pem",
        state_dir=tmp_path / "gateway",
        **changed,
    )


def client(made):
    app = operate_app(Gateway(made, WarmForks()), read_keys(made), asyncio.Event())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://operate")


async def test_the_page_stands_at_the_root_with_its_values(tmp_path):
    async with client(settings(tmp_path)) as operate:
        page = await operate.get("/")
        document = (await operate.get("/status")).json()
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "No release yet" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert document["serving"]["active_generation"] == 0
    assert document["releases"] == []


@pytest.mark.parametrize("path", ["/status.css", "/status.js"])
async def test_style_and_script_come_from_the_gateway(tmp_path, path):
    async with client(settings(tmp_path, operate_keys=(KEY,))) as operate:
        answer = await operate.get(path)
    assert answer.status_code == 200
    assert "http" not in answer.text


async def test_without_the_key_the_page_is_a_question_and_no_value(tmp_path):
    async with client(settings(tmp_path, operate_keys=(KEY,))) as operate:
        page = await operate.get("/")
        refused = [(await operate.get(path)).status_code for path in ("/status", "/status/events")]
        unlocked = await operate.get("/", headers={"authorization": f"Bearer {KEY}"})
    assert page.status_code == 200
    assert "This page needs the operate key" in page.text
    assert "tiny" not in page.text
    assert refused == [401, 401]
    assert "No release yet" in unlocked.text


async def test_a_store_that_fails_costs_the_history_and_nothing_else(tmp_path):
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "log").write_text("a file where a directory should be")
    async with client(settings(tmp_path)) as operate:
        page = await operate.get("/")
        document = (await operate.get("/status")).json()
    assert page.status_code == 200
    assert "cannot be listed" in document["releases"]["error"]
    assert "Releases cannot be read" in page.text


def test_samples_are_bounded_and_a_window_adds_up(tmp_path):
    gateway = Gateway(settings(tmp_path), WarmForks())
    for number in range(SAMPLES_KEPT + 10):
        gateway.requests.totals.failed += 1
        gateway.requests.totals.degraded += number % 2
        gateway.traffic.sample()
    document = gateway.traffic.capture().document()
    assert len(document["at"]) == len(document["failed"]) == SAMPLES_KEPT
    assert document["window"]["failed"] == SAMPLES_KEPT
    assert document["window"]["degraded"] == SAMPLES_KEPT // 2
