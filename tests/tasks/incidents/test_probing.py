"""Probes run in the background: one that hangs delays nothing, and a problem counts after enough looks in a row."""

import threading

import pytest

from healing.diagnosis import Presence, ProblemSignal
from healing.errors import StoreUnavailable
from healing.incident import Cause
from tasks.incidents.probe import LOOK_SECONDS_MAX, Probe, Sighting
from tasks.incidents.probing import Probing, registered_probes
from tests.gateway.running import wait_until
from tests.tasks.incidents.contexts import probe_context

DISK = (Cause.DISK_FULL, "disk")
FULL = Sighting((ProblemSignal(*DISK, "full"),))


class Scripted(Probe):
    """Returns or raises what its script says, one entry per look, the last one again and again."""

    def __init__(self, *script, looks_min=1, when_hung=None):
        self.name = "scripted"
        self.looks_min = looks_min
        self.looks = 0
        self._script = script
        self._when_hung = when_hung

    def watched(self, context):
        return frozenset({DISK})

    def observe(self, context):
        found = self._script[min(self.looks, len(self._script) - 1)]
        self.looks += 1
        if isinstance(found, threading.Event):
            assert found.wait(60)
            return Sighting()
        if isinstance(found, Exception):
            raise found
        return found

    def hung(self, context):
        return self._when_hung or super().hung(context)


class Clock:
    """Seconds that only a test advances."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def context(tmp_path, monkeypatch):
    with probe_context(tmp_path, monkeypatch) as found:
        yield found


def looked(probing, clock, probe, looks):
    """Advance until the probe has made and reported so many looks."""

    def done():
        probing.advance()
        return probe.looks >= looks and probing._watched[0].look is None

    clock.seconds += probe.every_seconds
    wait_until(done, f"look {looks} has ended", 30)


def presence(probing):
    return probing.confirmations()[DISK].presence


def test_before_its_first_look_a_probe_says_nothing(context):
    assert presence(Probing(context, [Scripted(FULL)])) is Presence.INCONCLUSIVE


def test_a_problem_counts_after_enough_looks_in_a_row_and_is_over_at_the_first_without_it(context):
    clock, probe = Clock(), Scripted(FULL, Sighting(), FULL, FULL, Sighting(), looks_min=2)
    probing = Probing(context, [probe], clock)
    found = []
    for look in range(1, 6):
        looked(probing, clock, probe, look)
        found.append((presence(probing), len(probing.evidence())))
    assert found == [
        (Presence.INCONCLUSIVE, 0),
        (Presence.ABSENT, 0),
        (Presence.INCONCLUSIVE, 0),
        (Presence.CONFIRMED, 1),
        (Presence.ABSENT, 0),
    ]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("a defect")])
def test_a_look_that_fails_says_nothing(context, error):
    clock, probe = Clock(), Scripted(error, FULL)
    probing = Probing(context, [probe], clock)
    looked(probing, clock, probe, 1)
    assert presence(probing) is Presence.INCONCLUSIVE
    looked(probing, clock, probe, 2)
    assert presence(probing) is Presence.CONFIRMED


def test_a_probe_that_hangs_is_started_once_and_delays_no_other(context):
    clock, release = Clock(), threading.Event()
    hanging, other = Scripted(release, when_hung=FULL), Scripted(Sighting())
    probing = Probing(context, [hanging, other], clock)
    try:
        for look in range(1, 6):
            clock.seconds += max(hanging.every_seconds, LOOK_SECONDS_MAX + 0.1)
            probing.advance()
            wait_until(lambda look=look: other.looks == look, "the other probe looks", 30)
            wait_until(lambda: probing.advance() is None and probing._watched[1].look is None, "and ends", 30)
        assert hanging.looks == 1
        assert [each.cause for each in probing.evidence()] == [Cause.DISK_FULL]
    finally:
        release.set()


def test_the_registered_probes_have_distinct_names_and_watch_distinct_problems(context):
    probes = registered_probes()
    keys = [key for probe in probes for key in probe.watched(context)]
    assert len({probe.name for probe in probes}) == len(probes) > 0
    assert len(set(keys)) == len(keys) > 0
