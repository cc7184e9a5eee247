"""Without the ledger, the host that led last goes on at once, and another one waits."""

import socket

from tasks.incidents.offline_lead import STANDBY_SECONDS, LastLeader, OfflineLead
from tests.tasks.ledger.test_leases import Clock

PIPELINE = "flights"


def test_on_the_host_that_led_last_one_healer_acts_at_once(tmp_path):
    LastLeader(tmp_path, PIPELINE).record(f"{socket.gethostname()}/kernel/1/2")
    with OfflineLead(tmp_path, PIPELINE) as first, OfflineLead(tmp_path, PIPELINE) as second:
        assert first.acquire()
        assert first.acquire()
        assert not second.acquire()
        first.__exit__(None, None, None)
        assert second.acquire()


def test_a_healer_of_another_host_waits(tmp_path):
    clock = Clock()
    LastLeader(tmp_path, PIPELINE).record(f"{socket.gethostname()}/kernel/1/2")
    LastLeader(tmp_path, PIPELINE).record("another-host/kernel/1/2")
    with OfflineLead(tmp_path, PIPELINE, clock) as lead:
        assert not lead.acquire()
        clock.seconds = STANDBY_SECONDS - 1
        assert not lead.acquire()
        clock.seconds = STANDBY_SECONDS
        assert lead.acquire()


def test_a_host_that_never_saw_a_leader_waits(tmp_path):
    with OfflineLead(tmp_path, PIPELINE, Clock()) as lead:
        assert not lead.acquire()
