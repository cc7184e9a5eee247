"""The circuit of a source outlives its process; two runs at once neither lose a failure nor share a probe."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from healing.circuit import FAILURES_MAX, OPEN_SECONDS
from healing.errors import CircuitOpen, NotData, NotServed, SourceUnavailable
from tasks.ingestion.sources.circuit import StoredCircuit
from tests.tasks.ingestion.sources.serving import TABLE, Reply, answering, http_source

DAYS = [date(2013, 3, 1) + timedelta(days=index) for index in range(4)]


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def fetch(source, days=DAYS[:1]):
    return list(source.fetch("t", TABLE, days))


def test_the_next_run_sends_no_request_to_a_failing_source_until_a_probe_succeeds(tmp_path):
    clock = Clock()
    reply = Reply(b"down", 503)
    with answering(lambda _: reply) as (url, asked):
        patient = {"attempts": 5, "patience_seconds": 60}  # all attempts, also on a slow machine
        with http_source(tmp_path, url, now=clock, **patient) as first, pytest.raises(SourceUnavailable):
            fetch(first)
        assert len(asked) == FAILURES_MAX
        with http_source(tmp_path, url, now=clock) as second, pytest.raises(CircuitOpen, match="asked again in 60 s"):
            fetch(second)
        assert len(asked) == FAILURES_MAX  # no request was sent

        clock.now += OPEN_SECONDS
        with http_source(tmp_path, url, now=clock, attempts=3) as third, pytest.raises(CircuitOpen):
            fetch(third, DAYS)
        assert len(asked) == FAILURES_MAX + 1  # the probe, which failed

        clock.now += OPEN_SECONDS
        reply = Reply()
        with http_source(tmp_path, url, now=clock) as fourth:
            assert len(fetch(fourth, DAYS)) == len(DAYS)


@pytest.mark.parametrize("reply", [Reply(b"<html>"), Reply(b"id,at\n1\n"), Reply(b"", 500)])
def test_an_answer_without_rows_counts_as_a_failure(tmp_path, reply):
    with answering(lambda _: reply) as (url, asked):
        for _ in range(FAILURES_MAX):
            with http_source(tmp_path, url, attempts=1) as source, pytest.raises((NotData, SourceUnavailable)):
                fetch(source)
        with http_source(tmp_path, url) as source, pytest.raises(CircuitOpen):
            fetch(source)
    assert len(asked) == FAILURES_MAX


def test_a_client_error_does_not_count_as_a_failure(tmp_path):
    with answering(lambda _: Reply(b"not yet", 404)) as (url, asked):
        for _ in range(2 * FAILURES_MAX):
            with http_source(tmp_path, url) as source, pytest.raises(NotServed):
                fetch(source)
    assert len(asked) == 2 * FAILURES_MAX


def test_a_source_with_a_new_address_starts_with_a_closed_circuit(tmp_path):
    old = StoredCircuit(tmp_path / "primary.json", "http://old")
    for _ in range(FAILURES_MAX):
        old.failed()
    assert not old.closed
    StoredCircuit(tmp_path / "primary.json", "http://new").admit()


def test_one_of_many_concurrent_requests_is_the_probe(tmp_path):
    clock = Clock()
    circuit = StoredCircuit(tmp_path / "primary.json", "http://here", clock)
    for _ in range(FAILURES_MAX):
        circuit.failed()
    clock.now += OPEN_SECONDS

    def admitted(_: int) -> bool:
        try:
            circuit.admit()
        except CircuitOpen:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(admitted, range(32))) == {False: 31, True: 1}


def test_two_processes_at_once_lose_no_failure(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tasks.ingestion.sources.circuit import StoredCircuit\n"
        "circuit = StoredCircuit(Path(sys.argv[1]), 'http://here')\n"
        "for _ in range(100): circuit.failed()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "primary.json")]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert StoredCircuit(tmp_path / "primary.json", "http://here")._read().failures == 200


def test_an_unreadable_file_counts_as_a_closed_circuit(tmp_path):
    for content in (b"", b"[]", b'{"endpoint": "http://here"}', b'{"endpoint": "http://here", "circuit": 1}'):
        (tmp_path / "primary.json").write_bytes(content)
        circuit = StoredCircuit(tmp_path / "primary.json", "http://here")
        circuit.admit()
        circuit.failed()
        assert circuit._read().failures == 1
