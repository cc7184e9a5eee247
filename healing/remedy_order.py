"""Order the remedies that policy allows by what they achieved so far (Thompson sampling).

Each remedy has a probability of success, with a Beta posterior from a uniform prior, and a rate of attempts per second,
with a Gamma posterior. The product of one draw of each is a rate of recoveries; the remedy with the highest rate comes
first. So the better remedy is found while the others are still tried now and then. Thompson (1933), Biometrika 25;
Russo et al., "A Tutorial on Thompson Sampling" (2018), arXiv:1707.02038.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from healing.incident import Attempt, AttemptOutcome, Remedy

_LAST = (Remedy.PAUSE_PIPELINE, Remedy.ESCALATE)  # they end no problem, so no outcome says when they help
_ODDS_DRAWS = 100
_PRIOR_SECONDS = 10.0  # one imagined recovery of this length keeps the first draws finite


@dataclass(frozen=True, slots=True)
class RemedyRecord:
    """What a remedy achieved for one cause: counts of ended attempts, and the seconds of all of them together."""

    succeeded: int = 0
    failed: int = 0
    seconds: float = 0.0


def record_of(attempts: Sequence[Attempt]) -> RemedyRecord:
    """The record of ended attempts of one remedy."""
    succeeded = sum(attempt.outcome is AttemptOutcome.SUCCEEDED for attempt in attempts)
    ends = [(attempt.started_at, attempt.ended_at) for attempt in attempts if attempt.ended_at is not None]
    seconds = sum(max(0.0, (end - start).total_seconds()) for start, end in ends)
    return RemedyRecord(succeeded, len(attempts) - succeeded, seconds)


@dataclass(frozen=True, slots=True)
class LearnedOrder:
    """Remedies in the order to try, and the probability of each that it comes first, to be recorded."""

    order: tuple[Remedy, ...]
    odds: Mapping[Remedy, float]


def learned_order(allowed: Sequence[Remedy], records: Mapping[Remedy, RemedyRecord], random: Random) -> LearnedOrder:
    """The allowed remedies, reordered by one draw each. A pause and ESCALATE stay last; nothing is added or left out.

    >>> learned_order([Remedy.WAIT], {}, Random(7)).order
    (<Remedy.WAIT: 'wait'>,)
    """
    remedies = [remedy for remedy in allowed if remedy not in _LAST]
    last = tuple(remedy for remedy in allowed if remedy in _LAST)
    wins: dict[Remedy, int] = dict.fromkeys(remedies, 0)
    for _ in range(_ODDS_DRAWS if remedies else 0):
        wins[_ranked(remedies, records, random)[0]] += 1
    order = tuple(_ranked(remedies, records, random)) + last
    return LearnedOrder(order, {remedy: count / _ODDS_DRAWS for remedy, count in wins.items()})


def _ranked(remedies: Sequence[Remedy], records: Mapping[Remedy, RemedyRecord], random: Random) -> list[Remedy]:
    drawn = {remedy: _draw(records.get(remedy, RemedyRecord()), random) for remedy in remedies}
    return sorted(remedies, key=lambda remedy: drawn[remedy], reverse=True)


def _draw(record: RemedyRecord, random: Random) -> float:
    """Recoveries per second of trying, drawn from the posterior."""
    success = random.betavariate(1 + record.succeeded, 1 + record.failed)
    tries = record.succeeded + record.failed
    tries_per_second = random.gammavariate(1 + tries, 1 / (_PRIOR_SECONDS + record.seconds))
    return success * tries_per_second
