import os

from healer.heartbeat import HeartbeatReader, beat, is_alive

HOUR_NS = 3600 * 10**9


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def reader_of(path):
    clock = Clock()
    return HeartbeatReader(path, age_seconds_max=30.0, clock=clock), clock


def shift(path, nanoseconds):
    """As if the wall clock had been stepped since the last beat."""
    at = path.stat().st_mtime_ns + nanoseconds
    os.utime(path, ns=(at, at))


def test_a_heartbeat_that_does_not_go_on_becomes_old(tmp_path):
    path = tmp_path / "heartbeat"
    reader, clock = reader_of(path)
    assert not reader.is_alive()
    beat(path)
    assert reader.is_alive()
    clock.seconds += 31
    assert not reader.is_alive()
    beat(path)
    assert reader.is_alive()


def test_a_wall_clock_that_was_set_back_does_not_hide_a_healer_that_hangs(tmp_path):
    path = tmp_path / "heartbeat"
    reader, clock = reader_of(path)
    beat(path)
    shift(path, HOUR_NS)  # it beat by a clock that was then set back by an hour
    assert reader.is_alive()
    clock.seconds += 31
    assert not reader.is_alive()


def test_a_wall_clock_that_was_set_forward_makes_no_living_healer_old(tmp_path):
    path = tmp_path / "heartbeat"
    reader, clock = reader_of(path)
    beat(path)
    shift(path, -HOUR_NS)
    assert reader.is_alive()
    clock.seconds += 10
    assert reader.is_alive()


def test_for_one_look_the_wall_clock_decides_and_a_time_far_ahead_is_no_life(tmp_path):
    path = tmp_path / "heartbeat"
    assert not is_alive(path)
    beat(path)
    assert is_alive(path)
    for step in (HOUR_NS, -2 * HOUR_NS):
        shift(path, step)
        assert not is_alive(path)
