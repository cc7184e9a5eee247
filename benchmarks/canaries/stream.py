"""Simulated requests of a canary: the arm of each, and whether it failed. Every method gets the same requests."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

CHAMPION_RATE = 0.003
_USERS = 3_000
_USERS_FAILING_SHARE = 0.005  # of users whose requests fail with any model
_FAILING_RATE = 0.9
_USER_SKEW = 0.7  # the n-th busiest user sends n ** -0.7 times as many requests as the first


@dataclass(frozen=True, slots=True)
class Stage:
    """A number of requests with the challenger's share of them, from 0 to 1."""

    share: float
    requests: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One canary, request by request. `first` is False where an earlier request of the same client has failed."""

    stages: tuple[Stage, ...]
    challenger: Flags
    failed: Flags
    first: Flags
    copies_failed: Flags = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def challenger_requests(self, until: int) -> int:
        """The challenger's requests among the first `until`."""
        return int(np.count_nonzero(self.challenger[:until]))


def steady(seed: Sequence[int], stages: Sequence[Stage], rate: float, copies: int = 0) -> Stream:
    """A challenger that fails at `rate` from the first request, beside a champion that fails at 0.3 %.

    `copies` is the number of copies that it scored in shadow before, failing at the same rate.
    """
    generator = np.random.default_rng(seed)
    challenger = _arms(generator, stages)
    failed = _chance(generator, challenger.size) < np.where(challenger, np.float32(rate), np.float32(CHAMPION_RATE))
    return Stream(tuple(stages), challenger, failed, np.ones_like(failed), _chance(generator, copies) < rate)


def turning(seed: Sequence[int], share: float, clean: int, bad: int, rate: float) -> Stream:
    """A challenger that is as good as the champion for `clean` requests of both arms, then fails at `rate`."""
    generator = np.random.default_rng(seed)
    stages = (Stage(share, clean + bad),)
    challenger = _arms(generator, stages)
    late = np.arange(clean + bad) >= clean
    failed = _chance(generator, clean + bad) < np.where(challenger & late, rate, CHAMPION_RATE)
    return Stream(stages, challenger, failed, np.ones_like(failed))


def outage(seed: Sequence[int], share: float, requests: int) -> Stream:
    """Both arms fail 90 % of the requests in the middle third, as when a database is down."""
    generator = np.random.default_rng(seed)
    stages = (Stage(share, requests),)
    challenger = _arms(generator, stages)
    third = requests // 3
    down = (np.arange(requests) >= third) & (np.arange(requests) < 2 * third)
    failed = _chance(generator, requests) < np.where(down, 0.9, CHAMPION_RATE)
    return Stream(stages, challenger, failed, np.ones_like(failed))


def sticky(seed: Sequence[int], stages: Sequence[Stage]) -> Stream:
    """Users that stay with one model at a given share; some are busy, and a few have rows that fail with any model.

    The challenger is as good as the champion.
    """
    generator = np.random.default_rng(seed)
    weights = np.arange(1, _USERS + 1, dtype=float) ** -_USER_SKEW
    requests = sum(stage.requests for stage in stages)
    users = generator.choice(_USERS, size=requests, p=weights / weights.sum())
    place = generator.random(_USERS)  # hash of the user's key; below the share, the challenger answers
    shares = np.repeat([stage.share for stage in stages], [stage.requests for stage in stages])
    failing = generator.random(_USERS) < _USERS_FAILING_SHARE
    failed = generator.random(requests) < np.where(failing[users], _FAILING_RATE, CHAMPION_RATE)
    return Stream(tuple(stages), place[users] < shares, failed, _first_of_user(users, failed))


def _first_of_user(users: NDArray[np.int64], failed: Flags) -> Flags:
    """False for failures of users with an earlier failure."""
    first = np.ones_like(failed)
    at = np.flatnonzero(failed)
    _, begins = np.unique(users[at], return_index=True)
    first[at] = False
    first[at[begins]] = True
    return first


def _arms(generator: np.random.Generator, stages: Sequence[Stage]) -> Flags:
    return np.concatenate([_chance(generator, stage.requests) < stage.share for stage in stages])


def _chance(generator: np.random.Generator, size: int) -> NDArray[np.float32]:
    return generator.random(size, dtype=np.float32)
