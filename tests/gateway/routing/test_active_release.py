from collections.abc import Sequence

import pytest

from gateway.routing.active_release import falls_to_challenger
from healing.release import Challenger, Mode, ModelRef

KEYS = [f"client {number}" for number in range(20_000)]


def challenger(weight: float, letter: str = "b", mode: Mode = Mode.CANARY) -> Challenger:
    return Challenger(ModelRef(letter * 64, "2.0.0"), mode, weight)


def chosen(trial: Challenger, keys: Sequence[str] = KEYS) -> set[str]:
    return {key for key in keys if falls_to_challenger(trial, key)}


@pytest.mark.parametrize("weight", [0.001, 0.05, 0.5])
def test_the_challenger_gets_its_share(weight):
    share = len(chosen(challenger(weight))) / len(KEYS)
    assert abs(share - weight) < 4 * (weight * (1 - weight) / len(KEYS)) ** 0.5


def test_a_larger_weight_keeps_everybody_who_was_there():
    assert chosen(challenger(0.05)) < chosen(challenger(0.2)) < chosen(challenger(1.0)) == set(KEYS)


def test_another_challenger_meets_other_clients():
    both = chosen(challenger(0.05)) & chosen(challenger(0.05, letter="c"))
    assert len(both) / len(KEYS) < 0.006


def test_a_share_of_nothing_is_nobody():
    assert not chosen(challenger(0.0))


def test_a_shadow_copies_its_share():
    assert chosen(challenger(0.05, mode=Mode.SHADOW)) == chosen(challenger(0.05))
