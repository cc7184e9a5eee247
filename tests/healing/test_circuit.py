"""A circuit opens after several failures in a row, then allows one probe, and its result decides."""

from hypothesis import given
from hypothesis import strategies as st

from healing.circuit import FAILURES_MAX, OPEN_SECONDS, Circuit


def failing(times: int, now: float = 100.0) -> Circuit:
    circuit = Circuit()
    for _ in range(times):
        circuit = circuit.failed(now)
    return circuit


def test_it_opens_at_the_fifth_failure_in_a_row_and_not_before():
    assert failing(FAILURES_MAX - 1).closed
    assert not failing(FAILURES_MAX).closed
    assert failing(FAILURES_MAX - 1).succeeded().failed(100.0) == Circuit(failures=1)


def test_it_allows_one_probe_after_its_open_time():
    circuit = failing(FAILURES_MAX)
    assert circuit.waits(100.0) == OPEN_SECONDS
    assert circuit.waits(100.0 + OPEN_SECONDS) == 0
    probing = circuit.admitted(100.0 + OPEN_SECONDS)
    assert probing.waits(100.0 + OPEN_SECONDS) == OPEN_SECONDS  # for all other calls
    assert probing.succeeded() == Circuit()
    assert probing.failed(170.0).waits(170.0) == OPEN_SECONDS


def test_a_probe_without_a_result_is_followed_by_another():
    probing = failing(FAILURES_MAX).admitted(160.0)
    assert probing.waits(160.0 + OPEN_SECONDS) == 0


def test_a_clock_that_was_set_back_does_not_keep_it_open():
    assert failing(FAILURES_MAX, now=1e9).waits(5.0) == 0


@given(st.lists(st.tuples(st.sampled_from(["fail", "succeed", "admit"]), st.floats(0, 100)), max_size=50))
def test_it_never_waits_longer_than_its_open_time_and_not_at_all_when_closed(steps):
    circuit, now = Circuit(), 0.0
    for step, passed in steps:
        now += passed
        match step:
            case "fail":
                circuit = circuit.failed(now)
            case "succeed":
                circuit = circuit.succeeded()
            case "admit" if not circuit.waits(now):
                circuit = circuit.admitted(now)
        assert 0 <= circuit.waits(now) <= OPEN_SECONDS
        assert not (circuit.closed and circuit.waits(now))
