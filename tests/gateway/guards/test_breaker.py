from gateway.guards.breaker import CONSECUTIVE_FAILURES_MAX, WINDOW_REQUESTS, VersionBreaker


def test_a_breaker_opens_after_failures_in_a_row_and_closes_after_a_good_probe():
    breaker = VersionBreaker()
    for _ in range(CONSECUTIVE_FAILURES_MAX):
        assert breaker.lets_through(0)
        breaker.record(failed=True, now=0)
    assert not breaker.lets_through(0.9)
    assert breaker.lets_through(1.0)  # the probe
    assert not breaker.lets_through(1.1)  # the others wait for it
    breaker.record(failed=False, now=1.2)
    assert breaker.closed
    assert breaker.lets_through(1.3)


def test_each_failed_probe_doubles_the_wait():
    breaker = VersionBreaker()
    for _ in range(CONSECUTIVE_FAILURES_MAX):
        breaker.record(failed=True, now=0)
    now = 0.0
    for seconds in (1, 2, 4, 8, 16, 30, 30):
        assert not breaker.lets_through(now + seconds - 0.01)
        now += seconds
        assert breaker.lets_through(now)
        breaker.record(failed=True, now=now)


def test_a_half_open_breaker_takes_the_next_request_as_its_probe_and_closes_only_when_it_is_answered():
    breaker = VersionBreaker()
    for _ in range(CONSECUTIVE_FAILURES_MAX):
        breaker.record(failed=True, now=0)
    for now in (1, 3, 7):  # open for eight seconds by now
        assert breaker.lets_through(now)
        breaker.record(failed=True, now=now)
    breaker.half_open(7.5)
    assert not breaker.closed
    assert breaker.lets_through(7.5)
    breaker.record(failed=True, now=7.5)
    assert not breaker.lets_through(9.4)  # a failed probe doubles the first wait, not the last one
    assert breaker.lets_through(9.5)
    breaker.record(failed=False, now=9.5)
    assert breaker.closed


def test_a_closed_breaker_stays_closed_when_it_is_half_opened():
    breaker = VersionBreaker()
    breaker.half_open(1.0)
    assert breaker.closed


def test_a_rate_above_five_percent_opens_it_and_one_below_does_not():
    sound, failing = VersionBreaker(), VersionBreaker()
    for number in range(WINDOW_REQUESTS):
        sound.record(failed=number % 25 == 24, now=0)
        failing.record(failed=number % 12 == 11, now=0)
    assert sound.closed
    assert not failing.closed
