"""A real Prometheus and Alertmanager watch a gateway and its healers: who is paged, and until when.

The same fault twice: with healers, the incident heals and nobody is paged; without, the right alert pages, and it ends
once the healers have healed.
"""

import os
import signal
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from releases.log import ReleaseLog
from tests.gateway.running import split_body, wait_until
from tests.published import corrupt, tiny_rows
from tests.recovery.prometheus import in_short_time, missing_binaries, monitoring
from tests.recovery.serving_lab import serving_lab

NEEDS_PROMETHEUS = pytest.mark.skipif(
    bool(missing_binaries()),
    reason=f"not installed: {missing_binaries()} (Debian: apt-get install prometheus prometheus-alertmanager)",
)
SECONDS = 240.0  # for what takes a quiet machine less than a minute
PAGING = "DegradedAnswersBurnBudget"
BUSY_MACHINE = {"SlowAnswersBurnBudget"}  # which is right to page where a machine answers slowly throughout
HEALED = "1 + sum(autopilot_incident_recovery_seconds_count)"  # of no scrape there is no value, never 0
REQUESTS_BEFORE = 2000  # so that what a fallback answers until the rollback is a small share


class Load:
    """Requests one after the other, at most so many per second."""

    def __init__(self, address):
        self.per_second = 200.0
        self.failed = 0
        self._address = address
        self._stop = threading.Event()

    def run(self):
        with httpx.Client(base_url=self._address, trust_env=False, timeout=30) as client:
            while not self._stop.is_set():
                began = time.monotonic()
                answer = client.post("/invocations", json=split_body(tiny_rows(1)))
                self.failed += answer.status_code != 200
                self._stop.wait(max(0.0, 1 / self.per_second - (time.monotonic() - began)))

    def stop(self):
        self._stop.set()


@contextmanager
def load(address):
    running = Load(address)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join()


def break_champion(lab):
    """Corrupt the champion's file and kill its worker: a fallback answers until an earlier champion is released."""
    champion = ReleaseLog(lab.root).current().champion
    corrupt(lab.root, champion)
    os.kill(lab.gateway.worker(champion.digest)["pid"], signal.SIGKILL)
    return champion


def test_durations_of_rules_are_shortened_and_nothing_else():
    text = "record: a:b:rate5m\nexpr: rate(x[5m]) > 14.4 and y[3d] > 120\nfor: 2h\ndescription: for 30 days"
    assert in_short_time(text) == (
        "record: a:b:rate5m\nexpr: rate(x[5s]) > 14.4 and y[4320s] > 120\nfor: 120s\ndescription: for 30 days"
    )


@pytest.mark.drill
@pytest.mark.timeout(1200)
@NEEDS_PROMETHEUS
def test_a_healed_incident_pages_nobody_and_one_that_is_not_healed_pages_until_it_is(tmp_path):
    with serving_lab(tmp_path) as lab:
        lab.renew(fallbacks=1)
        operate = lab.gateway.operate.base_url
        with (
            monitoring(tmp_path / "monitoring", f"{operate.host}:{operate.port}") as seen,
            load(lab.gateway.predict.base_url) as requests,
        ):
            _answer_enough(seen)
            _heal_without_a_page(lab, seen, requests)
            lab.renew(fallbacks=1)
            _page_until_healed(lab, seen, requests)
            assert requests.failed == 0


def _answer_enough(seen):
    wait_until(
        lambda: (seen.value('sum(gateway_requests_total{rung="champion"})') or 0) > REQUESTS_BEFORE,
        f"Prometheus has seen {REQUESTS_BEFORE} requests",
        SECONDS,
    )
    wait_until(lambda: seen.value("autopilot_ledger_up"), "the metrics of the healer are there", SECONDS)


def _heal_without_a_page(lab, seen, requests):
    requests.per_second = 3.0
    before = wait_until(lambda: seen.value(HEALED), "the healed incidents are counted", SECONDS)
    broken = break_champion(lab)
    wait_until(lambda: (seen.value(HEALED) or 0) > before, "the incident is healed", SECONDS)
    assert ReleaseLog(lab.root).current().champion != broken
    wait_until(lambda: seen.value('sum(gateway_requests_total{rung="fallback"})'), "a fallback has answered", SECONDS)
    assert (seen.pages() | seen.fired()) - BUSY_MACHINE == set()


def _page_until_healed(lab, seen, requests):
    lab.stop_healers()
    break_champion(lab)
    requests.per_second = 200.0
    wait_until(lambda: seen.notified(PAGING, "page", "firing"), f"{PAGING} pages", SECONDS)
    lab.start_healers()
    wait_until(lambda: seen.notified(PAGING, "page", "resolved"), f"{PAGING} is over", SECONDS)
    assert (seen.pages() | seen.fired()) - BUSY_MACHINE <= {PAGING, "HealerSilent"}
