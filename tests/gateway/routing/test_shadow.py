"""A shadow scores copies: what clients get is the champion's, whatever the shadow does."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from healing.release import Mode, ModelRef, Reason
from releases.log import ReleaseLog
from releases.signing import Keys
from tests.gateway.load import Load, keep_asking
from tests.gateway.running import RunningGateway, run_gateway, wait_until
from tests.published import bootstrap, end_trial, nan_estimator, publish_tiny_model, start_canary, tiny_rows

pytestmark = pytest.mark.timeout(300)  # a cold fork server imports scikit-learn: 4 s idle, 80 s on a crowded machine


@dataclass
class Stage:
    gateway: RunningGateway
    root: Path
    keys: Keys
    champion: ModelRef

    def shadow(self, weight: float = 1.0, **model) -> ModelRef:
        """A new shadow, ready."""
        version = f"0.2.{len(list((self.root / 'models').iterdir()))}"
        challenger = publish_tiny_model(self.root, self.keys, version=version, **model)
        trial = start_canary(self.root, challenger, weight, Mode.SHADOW)
        self.gateway.wait_for_generation(trial.generation)
        return challenger

    def end(self) -> None:
        self.gateway.wait_for_generation(end_trial(self.root, reason=Reason.ABORT, champion=self.champion).generation)

    def counts(self) -> dict[str, float]:
        counts: dict[str, float] = self.gateway.release()["shadow"]
        return counts

    def settled(self, load: Load) -> dict[str, float]:
        """The counts once every copy was scored, failed or dropped."""
        return wait_until(
            lambda: (c := self.counts())["scored"] + c["failed"] + c["dropped"] == len(load.replies) and c,
            f"all copies are done; now {self.counts()}",
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory, keys):
    home = tmp_path_factory.mktemp("shadow")
    champion = publish_tiny_model(home / "releases", keys)
    bootstrap(home / "releases", champion)
    options = ("--shadow-rows-max", "400", "--batch-deadline-seconds", "0.5", "--hang-seconds", "60")
    with run_gateway(home / "releases", keys, home / "gateway", *options) as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        yield Stage(gateway, home / "releases", keys, champion)


def test_every_answer_is_the_champions_and_every_copy_is_scored_and_logged(stage):
    challenger = stage.shadow(seed=7)
    with keep_asking(stage.gateway) as load:
        load.wait_for(300)
    counts = stage.settled(load)
    assert load.failed == []
    assert {reply.digest for reply in load.replies} == {stage.champion.digest}
    assert counts["copied"] == counts["scored"] == len(load.replies)
    assert 0 < counts["distance_mean"] < 1
    asked = {reply.request_id for reply in load.replies}

    def logged() -> dict[str, float] | None:
        lines = map(json.loads, stage.gateway.operate.get("/shadow", params={"limit": 100_000}).text.splitlines())
        scores = {line["request_id"]: line["prediction"] for line in lines if line["digest"] == challenger.digest}
        return scores if scores.keys() == asked else None

    scores = wait_until(logged, "every score is in the log")
    forced = stage.gateway.ask([tiny_rows(64)[1]], x_model_digest=challenger.digest).json()["predictions"][0]
    assert scores[next(r.request_id for r in load.replies if r.request_id.endswith("-1"))] == pytest.approx(forced)
    stage.end()


def test_a_shadow_copies_its_share_only(stage):
    stage.shadow(weight=0.2, seed=8)
    with keep_asking(stage.gateway) as load:
        load.wait_for(400)
    assert 0.1 < stage.counts()["copied"] / len(load.replies) < 0.3
    stage.end()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_a_shadow_that_dies_or_hangs_costs_no_answer_and_its_copies_are_dropped_and_counted(stage, number):
    challenger = stage.shadow(seed=9 + number)
    worker = stage.gateway.wait_for_worker(challenger.digest)
    with keep_asking(stage.gateway) as load:
        load.wait_for(50)
        os.kill(worker["pid"], number)
        wait_until(lambda: (c := stage.counts())["dropped"] + c["failed"] > 0, "copies are lost")
        load.wait_for(50)
    if number == signal.SIGSTOP:
        os.kill(worker["pid"], signal.SIGKILL)
    assert load.failed == []
    assert load.rungs == {"champion": len(load.replies)}
    stage.settled(load)
    stage.end()


def test_a_shadow_without_numbers_is_aborted_for_it_and_no_client_notices(stage):
    stage.shadow(estimator=nan_estimator())
    generation = stage.gateway.release()["active_generation"]
    with keep_asking(stage.gateway, rows=[["AA", 0, 3]]) as load:
        stage.gateway.wait_for_generation(generation + 1)
    assert load.failed == []
    assert load.rungs == {"champion": len(load.replies)}
    aborted = ReleaseLog(stage.root).current()
    assert aborted is not None
    assert (aborted.reason, aborted.author, aborted.challenger) == (Reason.ABORT, "gateway", None)
    assert aborted.note.startswith("errors: challenger failed ")
