"""Servers are compared within rounds, so that a slow minute of the machine changes no ratio."""

from benchmarks.serving.throughput import Round, ratios_over


def test_a_slow_round_of_both_servers_changes_no_ratio():
    fast, slow = Round(9000.0, 5.0, 10.0, 0, 1.5), Round(3000.0, 15.0, 30.0, 0, 1.5)
    peer_fast, peer_slow = Round(900.0, 50.0, 200.0, 0, 1.5), Round(300.0, 150.0, 600.0, 0, 1.5)
    rounds = {"gateway": [fast, slow, fast], "peer": [peer_fast, peer_slow, peer_fast]}
    assert ratios_over(rounds, "gateway", "peer") == {
        "requests_per_second_over_peer": 10.0,
        "requests_per_second_over_peer_least": 10.0,
        "requests_per_second_over_peer_most": 10.0,
        "p99_over_peer": 0.05,
    }


def test_the_interval_is_that_of_the_rounds():
    rounds = {
        "gateway": [Round(speed, 5.0, 10.0, 0, 1.5) for speed in (800.0, 1000.0, 900.0)],
        "peer": [Round(100.0, 50.0, 200.0, 0, 1.5)] * 3,
    }
    ratios = ratios_over(rounds, "gateway", "peer")
    assert [ratios[f"requests_per_second_over_peer{end}"] for end in ("_least", "", "_most")] == [8.0, 9.0, 10.0]
