"""Candidates that are good offline and bad live: a real gateway aborts each by the name of the right check."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from flows.release import release
from healing.release import Reason
from releases.manifest import ReferenceProfile
from tasks.rollout.rollout import RolloutResult
from tests.flows.release_bench import make_bench
from tests.gateway.running import split_body
from tests.odd_models import SLOW_TYPE, SlowClassifier
from tests.published import CARRIERS, PIPELINE, bootstrap, frame, nan_estimator, tiny_estimator, tiny_rows

pytestmark = pytest.mark.timeout(300)

# A shadow stage that only a failed check ends, so that the test does not depend on how fast the stage passes.
RULES = """{
  stages: [{mode: shadow, weight: 1.0, requests_min: 100000, deadline_seconds: 100, hold_seconds: 0}],
  quality_block_seconds: 0.25}
segments: [carrier]"""
ROWS = [*tiny_rows(14), ["AA", 0, 3], ["AA", 0, 5]]  # the NaN model answers the last two with NaN
BIASED = "AA"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A running gateway with a champion and its reference profile, and clients that send labels."""
    with pytest.MonkeyPatch.context() as patched:
        bench = make_bench(tmp_path_factory.mktemp("bad"), patched, RULES)
        champion = bench.publish(1, reference=reference_of(tiny_estimator(1)))
        bootstrap(bench.root, champion)
        with bench.serve("--trusted-types", SLOW_TYPE) as gateway:
            gateway.wait_for_generation(1)
            with clients(gateway):
                yield bench


def answers_of(estimator, rows):
    return estimator.predict_proba(frame(rows))[:, 1]


def reference_of(estimator, deciles=None):
    answers = answers_of(estimator, tiny_rows(500))
    return ReferenceProfile(
        rows=500,
        categorical={"carrier": dict.fromkeys(CARRIERS, 0.25)},
        answer_deciles=tuple(np.quantile(answers, np.linspace(0, 1, 11))) if deciles is None else deciles,
    )


@contextmanager
def clients(gateway) -> Iterator[None]:
    """One client that sends row by row, and a label for each, drawn with the champion's probability."""
    stop = threading.Event()
    truth = answers_of(tiny_estimator(1), ROWS)
    outcomes = np.random.default_rng(0)

    def ask() -> None:
        with httpx.Client(base_url=gateway.predict.base_url, timeout=30) as client:
            number = 0
            while not stop.wait(0.005):
                place = number % len(ROWS)
                number += 1
                response = client.post("/invocations", json=split_body([ROWS[place]]))
                assert response.status_code == 200, response.text
                label = float(outcomes.random() < truth[place])
                labelled = {"request_id": response.headers["x-request-id"], "row": 0, "label": label}
                client.post("/feedback", json={"labels": [labelled]}).raise_for_status()

    sending = threading.Thread(target=ask)
    sending.start()
    try:
        yield
    finally:
        stop.set()
        sending.join()


def biased_in_one_segment():
    """Wrong with high confidence for one of four carriers, and as good as the champion for the others."""
    model = tiny_estimator(1)
    categories = list(model[0].named_transformers_["onehotencoder"].categories_[0])
    model[-1].coef_[0, categories.index(BIASED)] += 12
    return model


def leaked():
    """A profile with extreme answers to held-out rows, as from a leaked feature; live answers are moderate."""
    return reference_of(
        tiny_estimator(2), deciles=(0.0, *(0.001 * n for n in range(1, 6)), 0.95, 0.96, 0.97, 0.98, 1.0)
    )


def candidates():
    yield "slow", {"estimator": SlowClassifier(row_seconds=0.2)}, "latency: "
    yield "nan", {"estimator": nan_estimator(2)}, "errors: "
    yield "leaked", {"estimator": tiny_estimator(2), "reference": leaked()}, "predictions: "
    biased = biased_in_one_segment()
    yield "biased", {"estimator": biased, "reference": reference_of(biased)}, f"quality: .*carrier={BIASED}"


@pytest.mark.parametrize(("number", "options", "reason"), [(n + 2, o, r) for n, (_, o, r) in enumerate(candidates())])
def test_a_bad_candidate_is_aborted_by_its_check(stage, number, options, reason):
    candidate = stage.publish(number, **options)
    outcome = release(PIPELINE, candidate.digest)
    assert outcome.result is RolloutResult.ABORTED, outcome
    assert re.search(reason, outcome.reason)
    assert stage.current.reason is Reason.ABORT
    assert stage.current.champion.version == "0.1.0"
