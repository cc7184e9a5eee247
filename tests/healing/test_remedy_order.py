"""Learning the order of remedies: it finds the better one soon, and never leaves what policy allows."""

from random import Random

import pytest

from healing.incident import Remedy
from healing.remedy_order import RemedyRecord, learned_order

ALLOWED = (Remedy.WAIT, Remedy.RESTART_WORKER, Remedy.ROLLBACK, Remedy.ESCALATE)


def learned_after(incidents, success, seconds, random):
    """Records after that many incidents, each treated in the learned order until a remedy works."""
    records = {}
    for _ in range(incidents):
        for remedy in learned_order(ALLOWED, records, random).order:
            if remedy is Remedy.ESCALATE:
                break
            worked = random.random() < success[remedy]
            known = records.get(remedy, RemedyRecord())
            records[remedy] = RemedyRecord(
                known.succeeded + worked, known.failed + (not worked), known.seconds + seconds[remedy]
            )
            if worked:
                break
    return records


def test_finds_the_better_order_within_thirty_incidents():
    """Rollback works nearly always in 5 s; the milder remedies cost time and seldom work. 30 seeds."""
    success = {Remedy.WAIT: 0.05, Remedy.RESTART_WORKER: 0.2, Remedy.ROLLBACK: 0.95}
    seconds = {Remedy.WAIT: 10.0, Remedy.RESTART_WORKER: 8.0, Remedy.ROLLBACK: 5.0}
    odds = []
    for seed in range(30):
        random = Random(seed)
        records = learned_after(30, success, seconds, random)
        odds.append(learned_order(ALLOWED, records, random).odds[Remedy.ROLLBACK])
    assert sorted(odds)[3] > 0.8, "in nine of ten runs the better remedy comes first four times in five"


def test_time_counts_beside_success():
    records = {Remedy.WAIT: RemedyRecord(30, 0, 30 * 60.0), Remedy.ROLLBACK: RemedyRecord(27, 3, 30 * 3.0)}
    odds = learned_order((Remedy.WAIT, Remedy.ROLLBACK), records, Random(1)).odds
    assert odds[Remedy.ROLLBACK] > 0.95


@pytest.mark.parametrize("seed", range(20))
def test_never_leaves_policy(seed):
    random = Random(seed)
    records = {
        remedy: RemedyRecord(random.randint(0, 9), random.randint(0, 9), random.uniform(0, 99)) for remedy in Remedy
    }
    last = (Remedy.PAUSE_PIPELINE, Remedy.ESCALATE)
    allowed = tuple(random.sample([each for each in Remedy if each not in last], 3))
    order = learned_order((*allowed, *last), records, random).order
    assert order[-2:] == last
    assert set(order[:-2]) == set(allowed)


def test_the_same_seed_gives_the_same_order_and_odds():
    records = {Remedy.WAIT: RemedyRecord(3, 4, 70.0)}
    assert learned_order(ALLOWED, records, Random(5)) == learned_order(ALLOWED, records, Random(5))


def test_the_odds_are_probabilities_of_the_remedies_that_can_be_first():
    odds = learned_order(ALLOWED, {}, Random(3)).odds
    assert sum(odds.values()) == pytest.approx(1)
    assert Remedy.ESCALATE not in odds


def test_no_remedy_is_no_order():
    assert learned_order((), {}, Random(1)).order == ()
