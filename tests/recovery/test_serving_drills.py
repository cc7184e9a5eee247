"""Drills of the tier `serving` against a real gateway, real models and real healers: seconds, not minutes.

`DRILL_SUITE=full` runs all of them, smoke (the default) those of the smoke suite; `DRILL_TRIALS` says how often.
Drills of the clock need a C compiler.
`DRILL_PAIRS=N` adds the pairs of the seeds 0 to N - 1, and `DRILL_LIVENESS=N` as many
liveness drills (three with `full`).
"""

import os

import pytest

from chaos.compose.drill import Tier, read_catalogue
from chaos.compose.sampled import liveness_of_seed, pair_of_seed
from chaos.runner import run_drill
from chaos.verdict import Exit
from tests.published import PIPELINE
from tests.recovery.results import keep
from tests.recovery.serving_lab import HAS_COMPILER, serving_lab

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]
TRIALS = int(os.environ.get("DRILL_TRIALS", "3"))
SUITES = ("smoke", "full") if os.environ.get("DRILL_SUITE") == "full" else ("smoke",)
ABSENT = set() if HAS_COMPILER else {"clock"}  # what this machine cannot give a drill
SERVING = {
    drill.name: drill
    for drill in read_catalogue()
    if drill.tier is Tier.SERVING and drill.suite in SUITES and not ABSENT & set(drill.needs)
}
LIVENESS_FULL = 3  # in the full suite; each takes a minute
PAIRS = range(int(os.environ.get("DRILL_PAIRS", "0")))
LIVENESS = range(int(os.environ.get("DRILL_LIVENESS", str(LIVENESS_FULL if "full" in SUITES else 0))))
ABLATIONS = [(name, remedy) for name, drill in SERVING.items() for remedy in drill.ablations]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with serving_lab(tmp_path_factory.mktemp("serving")) as running:
        yield running


@pytest.mark.parametrize("trial", range(TRIALS))
@pytest.mark.parametrize("name", SERVING)
def test_the_drill_recovers_and_loses_nothing(lab, name, trial):
    lab.renew(SERVING[name].warm_fallbacks)
    outcome = keep(run_drill(name, lab.home, pipeline=PIPELINE))
    assert outcome.exit is Exit.RECOVERED, outcome.reason
    assert outcome.requests.failed == outcome.requests.wrong == 0


@pytest.mark.parametrize("seed", PAIRS)
def test_a_sampled_pair_of_faults_is_survived(lab, seed):
    drill = pair_of_seed(seed, read_catalogue())
    lab.renew(max(drill.warm_fallbacks, 1))
    outcome = keep(run_drill(drill.name, lab.home, pipeline=PIPELINE))
    assert outcome.exit is Exit.RECOVERED, (drill.title, outcome.reason)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", LIVENESS)
def test_service_converges_after_much_was_broken_at_once(lab, seed):
    drill = liveness_of_seed(seed, read_catalogue())
    lab.renew(max(drill.warm_fallbacks, 1))
    outcome = keep(run_drill(drill.name, lab.home, pipeline=PIPELINE))
    assert outcome.exit is Exit.RECOVERED, (drill.title, outcome.reason)
    assert outcome.requests.wrong == 0


@pytest.mark.parametrize(("name", "remedy"), ABLATIONS)
def test_with_its_remedy_switched_off_the_drill_is_red_and_no_request_fails(lab, name, remedy):
    lab.renew(SERVING[name].warm_fallbacks)
    variables = {"restored_seconds_max": 15.0}
    outcome = keep(run_drill(name, lab.home, pipeline=PIPELINE, ablate=remedy, variables=variables))
    assert outcome.exit is Exit.NOT_RECOVERED, outcome.reason
    assert outcome.durations.recover is None
    assert outcome.requests.failed == outcome.requests.wrong == 0
