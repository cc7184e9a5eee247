import json
import signal
from dataclasses import replace

import pytest

from gateway.guards.trial_file import TrialFile
from healing.release import Challenger, Mode, ModelRef
from healing.trial_rules import TrialRules
from tests.gateway.guards.test_trial import DECILES, answer, copy, known_champion, serving
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model, start_canary

ON_DUTY = {"weight": 0.2, "deciles": DECILES}


def trials(tmp_path):
    return TrialFile(tmp_path / "trial.json", slow_seconds_min=0.01)


async def saved_trial(tmp_path, mode=Mode.CANARY):
    """A trial with a little evidence of every kind, of 2,500 requests, so that its tests have restarted once."""
    on_duty = serving(mode, champion=known_champion(), **ON_DUTY)
    keeper = trials(tmp_path)
    trial = keeper.begin(on_duty)
    for number in range(2500):
        value, odd = number % 97 / 97, number in (5, 900, 2400)
        if mode is Mode.SHADOW:
            copy(trial, on_duty, None if odd else min(value + 0.05, 1.0), given=value, seconds=0.02 if odd else 0.002)
        elif odd:
            trial.observe_failure(challenger=True, route_key=f"client {number}")
        else:
            version = on_duty.challenger if number % 5 == 0 else on_duty.champion
            answer(trial, version, seconds=0.2 if number % 500 == 0 else 0.002, value=value)
    await keeper.save()
    return trial


@pytest.mark.parametrize("mode", Mode)
async def test_a_trial_goes_on_where_it_stood(tmp_path, mode):
    before = await saved_trial(tmp_path, mode)
    after = trials(tmp_path).begin(serving(mode, **ON_DUTY))  # of this process' champion nothing is known yet
    assert after.guard.save() == before.guard.save()
    assert after.guard.states() == before.guard.states()
    assert after.slowness.limit == before.slowness.limit == 0.01
    assert (after.failed.keys, after.slow.keys) == (before.failed.keys, before.slow.keys)
    assert [(arm.requests, arm.errors) for arm in after.arms.values()] == [
        (arm.requests, arm.errors) for arm in before.arms.values()
    ]


@pytest.mark.parametrize("mode", Mode)
async def test_in_the_next_stage_it_keeps_the_evidence_and_counts_from_zero(tmp_path, mode):
    before = await saved_trial(tmp_path, mode)
    following = serving(weight=0.5, generation=3, deciles=DECILES)
    after = trials(tmp_path).begin(following)
    before.next_stage(following)
    assert after.guard.save() == before.guard.save()
    assert (after.guard.mode, after.guard.weight) == (Mode.CANARY, 0.5)
    assert (after.arms[True].requests, after.slowness.limit) == (0, 0.01)


@pytest.mark.parametrize(
    "challenger",
    [
        Challenger(ModelRef("b" * 64, "1.0.0"), Mode.CANARY, 0.2, TrialRules(alpha=0.01)),
        Challenger(ModelRef("c" * 64, "1.0.0"), Mode.CANARY, 0.2),
    ],
    ids=["other rules", "other model"],
)
async def test_another_challenger_or_another_rule_begins_anew(tmp_path, challenger):
    await saved_trial(tmp_path)
    following = serving(**ON_DUTY)
    following.release = replace(following.release, challenger=challenger)
    assert trials(tmp_path).begin(following).guard.challenger_requests == 0


@pytest.mark.parametrize("content", ["{", '{"digest": "b"}'])
async def test_a_file_that_is_none_or_of_another_version_begins_anew(tmp_path, content):
    (tmp_path / "trial.json").write_text(content)
    assert trials(tmp_path).begin(serving()).guard.challenger_requests == 0


async def test_evidence_of_other_bets_than_ours_begins_anew(tmp_path):
    await saved_trial(tmp_path)
    path = tmp_path / "trial.json"
    saved = json.loads(path.read_text())
    saved["guard"]["evidence"]["errors"]["relative"]["detector"]["runs"][0][1].pop()
    path.write_text(json.dumps(saved))
    assert trials(tmp_path).begin(serving(**ON_DUTY)).guard.challenger_requests == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", Mode)
def test_a_killed_gateway_goes_on_with_the_trial(root, keys, state_dir, mode):
    bootstrap(root, publish_tiny_model(root, keys))
    start_canary(root, publish_tiny_model(root, keys, version="0.2.0", seed=1), 0.5, mode)
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(2)
        with keep_asking(gateway) as load:
            load.wait_for(300)
        before = wait_until(
            lambda: (found := _evidence(gateway.release()["trial"])) == _saved(state_dir) and found,
            "the file has caught up",
        )
        gateway.process.send_signal(signal.SIGKILL)
    assert before["slow_seconds"] is not None
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(2)
        assert _evidence(gateway.release()["trial"]) == before


def _evidence(told):
    counts = {arm: {name: told[arm][name] for name in ("requests", "errors")} for arm in ("challenger", "champion")}
    return {**counts, "slow_seconds": told["slow_seconds"]}


def _saved(state_dir):
    path = state_dir / "trial.json"
    return _evidence(json.loads(path.read_text())) if path.exists() else None
