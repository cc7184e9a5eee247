"""The hour under faults: how its requests are judged, what it calls growth, and a few faults on a real gateway."""

from collections import Counter
from dataclasses import replace

import joblib
import numpy as np
import pytest

from benchmarks.gateway_hour import measure
from benchmarks.hour.faults import FAULTS, in_turn
from benchmarks.hour.growth import ProcessSample, growth_of
from benchmarks.hour.outcomes import Oracle, RequestOutcome, Tally, outcome_of
from benchmarks.serving.world import World
from chaos.load import Answer, Lost
from releases.signing import ensure_keys
from tests.published import BASELINE, SCHEMA, publish_tiny_model, tiny_estimator, tiny_rows

ORACLE = Oracle({"d": [0.1, 0.2]}, baseline=0.5)
RIGHT = Answer(1, "1", 0.0, 0.0, 0.1, 200, predictions=(0.2,), digest="d", rung="champion")
OVERLOADED = '{"error_code":"OVERLOADED","message":"900 rows wait"}'


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (RIGHT, RequestOutcome.RIGHT),
        (replace(RIGHT, row="0"), RequestOutcome.WRONG),  # the prediction of another row
        (replace(RIGHT, digest="unknown"), RequestOutcome.WRONG),
        (replace(RIGHT, predictions=()), RequestOutcome.WRONG),
        (replace(RIGHT, digest="", rung="baseline", predictions=(0.5,)), RequestOutcome.RIGHT),
        (replace(RIGHT, digest="", rung="baseline"), RequestOutcome.WRONG),
        (replace(RIGHT, status=503, error=OVERLOADED), RequestOutcome.SHED),
        (replace(RIGHT, status=503, error=OVERLOADED[:40]), RequestOutcome.SHED),  # a record keeps the beginning
        (replace(RIGHT, status=503, error='{"error_code":"NO_RELEASE","message":""}'), RequestOutcome.FAILED),
        (replace(RIGHT, status=500, error="oh"), RequestOutcome.FAILED),
        (replace(RIGHT, status=None, lost=Lost.BROKEN), RequestOutcome.FAILED),
        (replace(RIGHT, status=None, lost=Lost.TIMED_OUT), RequestOutcome.FAILED),
        (replace(RIGHT, status=None, lost=Lost.UNSENT), RequestOutcome.UNSENT),
    ],
)
def test_a_request_that_is_shed_is_no_failed_one_and_an_answer_counts_by_its_version(answer, outcome):
    assert outcome_of(answer, ORACLE)[0] is outcome


def test_a_tally_counts_rungs_and_reasons():
    tally = Tally()
    shed = replace(RIGHT, status=503, error=OVERLOADED, rung="")
    these = tally.take([RIGHT, replace(RIGHT, rung="fallback"), shed], ORACLE)
    assert (these.degraded, these.reasons) == (1, Counter({"503 OVERLOADED": 1}))
    tally.take([RIGHT], ORACLE)
    assert tally.outcomes == Counter({RequestOutcome.RIGHT: 3, RequestOutcome.SHED: 1})


def sample(minute, mib):
    return ProcessSample(minute / 60, mib, 40, 8, 4, 4 * mib, 90)


def test_a_step_or_an_odd_sample_is_no_growth_and_a_leak_is():
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.3, 60)
    flat = [sample(minute, 80 + noise[minute] + 40 * (minute == 30)) for minute in range(60)]
    leak = [sample(minute, 80 + noise[minute] + 0.1 * minute) for minute in range(60)]
    found = growth_of(flat, lambda each: each.router_mib)
    assert found is not None
    assert found.least < 0 < found.most
    found = growth_of(leak, lambda each: each.router_mib)
    assert found is not None
    assert found.least > 5
    assert found.per_hour == pytest.approx(6, rel=0.1)


def test_two_samples_show_no_growth():
    assert growth_of([sample(0, 80), sample(1, 90)], lambda each: each.router_mib) is None


def test_every_fault_strikes_once_per_cycle_in_a_seeded_order():
    names = list(FAULTS)
    turns = in_turn(names, seed=3)
    first, second = ([next(turns) for _ in names] for _ in range(2))
    assert sorted(first) == sorted(second) == sorted(names)
    assert first != second
    again = in_turn(names, seed=3)
    assert [next(again) for _ in names] == first


@pytest.fixture(scope="module")
def tiny_world(tmp_path_factory):
    """A world of the benchmarks with tiny models, in place of those of the flights."""
    folder = tmp_path_factory.mktemp("world")
    keys, names = ensure_keys(folder / "keys"), ("champion", "fallback", "next")
    digests = {}
    for seed, name in enumerate(names):
        estimator = tiny_estimator(seed)
        joblib.dump(estimator, folder / f"{name}.joblib")
        model = publish_tiny_model(folder, keys, version=f"1.{seed}.0", seed=seed, estimator=estimator)
        digests[name] = model.digest
    rows = tiny_rows(64)
    return World(
        folder=folder,
        digests=digests,
        versions={name: f"1.{seed}.0" for seed, name in enumerate(names)},
        baseline=BASELINE,
        columns=list(SCHEMA.names),
        text_columns=["carrier"],
        rows=rows,
        keys=[f"row {number}" for number in range(len(rows))],
    )


@pytest.mark.timeout(300)
def test_a_real_gateway_answers_under_faults_and_comes_to_rest_after_each(tiny_world):
    faults = ["champion_killed", "same_request_id"]
    figures, unexpected = measure(
        tiny_world,
        minutes=2,
        seed=1,
        faults=faults,
        champion="champion",
        rate=50.0,
        minute_seconds=1.0,
        warm_up_seconds=1.0,
    )
    assert unexpected == []
    assert (figures["requests_failed"], figures["answers_wrong"], figures["faults"]) == (0, 0, 2)
    assert figures["requests"] >= 2 * 50
    assert figures["processes_last"] == figures["processes_first"] == 4  # router, fork server, two workers
