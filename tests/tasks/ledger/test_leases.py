"""Leases: one holder at a time, a silent holder is replaced, and a late one learns that it has lost."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tasks.ledger.leases import LeaseLost, Leases

NAME = "healer/flights"


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def leases(database):
    """Makes one process's view of the leases; each gets its own clock."""
    opened = []

    def make(**settings):
        opened.append(Leases(database, **settings))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_free_lease_has_one_holder(leases):
    first, second = leases(), leases()
    held = first.acquire(NAME, "a")
    assert (held.holder, held.token) == ("a", 1)
    assert second.acquire(NAME, "b") is None
    assert first.current(NAME) == held


def test_a_silent_holder_is_replaced_with_a_higher_token_and_learns_it(leases):
    clock = Clock()
    first, second = leases(), leases(clock=clock)
    held = first.acquire(NAME, "a")
    assert second.acquire(NAME, "b") is None
    clock.seconds = 5.9
    assert second.acquire(NAME, "b") is None
    clock.seconds = 6.0
    taken = second.acquire(NAME, "b")
    assert (taken.holder, taken.token) == ("b", 2)
    with pytest.raises(LeaseLost, match="found b with token 2"):
        first.renew(held)


def test_a_holder_that_renews_is_not_replaced_however_long_the_contender_waits(leases):
    clock = Clock()
    first, second = leases(), leases(clock=clock)
    held = first.acquire(NAME, "a")
    for _ in range(10):
        assert second.acquire(NAME, "b") is None
        clock.seconds += 5.0
        held = first.renew(held)
    assert second.acquire(NAME, "b") is None


def test_the_contenders_clock_may_be_hours_ahead(leases):
    """Only the time between two looks of the contender counts, never the difference between two clocks."""
    ahead = Clock()
    ahead.seconds = 1e6
    leases().acquire(NAME, "a")
    assert leases(clock=ahead).acquire(NAME, "b") is None


def test_a_released_lease_is_free_at_once(leases):
    first, second = leases(), leases()
    first.release(first.acquire(NAME, "a"))
    assert first.current(NAME) is None
    assert second.acquire(NAME, "b").token == 2


def test_a_lost_lease_cannot_be_released_for_the_new_holder(leases):
    clock = Clock()
    first, second = leases(), leases(clock=clock)
    held = first.acquire(NAME, "a")
    second.acquire(NAME, "b")
    clock.seconds = 10
    taken = second.acquire(NAME, "b")
    first.release(held)
    assert second.current(NAME).token == taken.token
    second.renew(taken)


def test_of_many_contenders_one_wins(leases):
    contenders = [leases() for _ in range(8)]
    won = []
    barrier = threading.Barrier(len(contenders))

    def contend(number):
        barrier.wait()
        lease = contenders[number].acquire(NAME, str(number))
        if lease is not None:
            won.append(lease)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(len(contenders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


_HOLD = """
import sys, time
from tasks.ledger.leases import Leases
leases = Leases(sys.argv[1])
lease = leases.acquire(sys.argv[2], "child")
assert lease is not None
print("held", flush=True)
while True:
    time.sleep(0.2)
    lease = leases.renew(lease)
"""


def test_a_killed_holder_is_replaced_within_ten_seconds(leases, database):
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, database, NAME], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        contender = leases()
        assert contender.acquire(NAME, "b") is None
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        killed = time.monotonic()
        while (taken := contender.acquire(NAME, "b")) is None:
            assert time.monotonic() - killed < 30
            time.sleep(0.1)
        assert taken.token == 2
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
