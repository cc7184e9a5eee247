import json
import signal
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.guards.trial_file import TrialFile
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model, start_canary

RELEASE = Release(
    generation=2,
    created_at=datetime(2013, 3, 1, tzinfo=UTC),
    pipeline="tiny",
    author="test",
    reason=Reason.CANARY,
    champion=ModelRef("a" * 64, "1.0.0"),
    baseline=0.2,
    challenger=Challenger(ModelRef("b" * 64, "2.0.0"), Mode.CANARY, 0.05),
)


def trials(tmp_path, alpha=0.001):
    return TrialFile(tmp_path / "trial.json", alpha=alpha, ratio_tolerated=1.0)


async def saved_trial(tmp_path):
    """A trial with three errors of the challenger among 2,500 requests, so that it has restarted once."""
    keeper = trials(tmp_path)
    trial = keeper.begin(RELEASE)
    for number in range(2500):
        failed = number in (5, 900, 2400)
        trial.observe(challenger=number % 20 == 0 or failed, failed=failed, route_key=f"c{number}", latency_ms=1)
    await keeper.save()
    return trial


async def test_a_trial_goes_on_where_it_stood(tmp_path):
    before = await saved_trial(tmp_path)
    after = trials(tmp_path).begin(RELEASE)
    assert after.test == before.test
    assert after.failed_keys == before.failed_keys
    assert [(arm.requests, arm.errors) for arm in after.arms.values()] == [
        (arm.requests, arm.errors) for arm in before.arms.values()
    ]


async def test_in_the_next_stage_it_keeps_the_evidence_and_counts_from_zero(tmp_path):
    before = await saved_trial(tmp_path)
    after = trials(tmp_path).begin(replace(RELEASE, generation=3))
    before.test.restart()
    assert after.test == before.test
    assert after.arms[True].requests == 0


@pytest.mark.parametrize("other", [{"alpha": 0.01}, {"challenger": "c" * 64}])
async def test_another_challenger_or_another_rule_begins_anew(tmp_path, other):
    await saved_trial(tmp_path)
    challenger = Challenger(ModelRef(other.get("challenger", "b" * 64), "2.0.0"), Mode.CANARY, 0.05)
    after = trials(tmp_path, other.get("alpha", 0.001)).begin(replace(RELEASE, challenger=challenger))
    assert after.test.errors_challenger == 0


async def test_a_file_that_is_none_begins_anew(tmp_path):
    (tmp_path / "trial.json").write_text("{")
    assert trials(tmp_path).begin(RELEASE).test.errors_challenger == 0


@pytest.mark.timeout(300)
def test_a_killed_gateway_goes_on_with_the_trial(root, keys, state_dir):
    bootstrap(root, publish_tiny_model(root, keys))
    start_canary(root, publish_tiny_model(root, keys, version="0.2.0", seed=1), 0.5)
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(2)
        with keep_asking(gateway) as load:
            load.wait_for(100)
        before = wait_until(
            lambda: (c := gateway.release()["canary"]) and _saved(state_dir) == c["challenger"] and c,
            "the file has caught up",
        )
        gateway.process.send_signal(signal.SIGKILL)
    with run_gateway(root, keys, state_dir) as gateway:
        gateway.wait_for_generation(2)
        assert gateway.release()["canary"]["challenger"] == before["challenger"]


def _saved(state_dir):
    path = state_dir / "trial.json"
    return json.loads(path.read_text())["challenger"] if path.exists() else None
