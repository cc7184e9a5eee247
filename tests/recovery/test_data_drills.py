"""Drills of the tier `data` against real sources and real ingest runs, without the rest of the stack.

`DRILL_SUITE=full` runs all of them, smoke (the default) those of the smoke suite; `DRILL_TRIALS_DATA` says how often.
"""

import os

import pytest

from chaos.compose.drill import Tier, read_catalogue
from chaos.runner import run_drill
from chaos.verdict import Exit
from tests.recovery.data_lab import data_lab
from tests.recovery.results import keep

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]
TRIALS = int(os.environ.get("DRILL_TRIALS_DATA", "1"))
SUITES = ("smoke", "full") if os.environ.get("DRILL_SUITE") == "full" else ("smoke",)
OWN = {"files", "database"}  # these drills run on a pipeline of their own
DRILLS = {
    drill.name: drill
    for drill in read_catalogue()
    if drill.tier is Tier.DATA and drill.suite in SUITES and not OWN & set(drill.needs)
}
ABLATIONS = [(name, remedy) for name, drill in DRILLS.items() for remedy in drill.ablations]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with data_lab(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.mark.parametrize("trial", range(TRIALS))
@pytest.mark.parametrize("name", DRILLS)
def test_the_batch_comes_in_and_the_cause_is_named(home, name, trial):
    outcome = keep(run_drill(name, home, pipeline="flights"))
    assert outcome.exit is Exit.RECOVERED, outcome.reason


@pytest.mark.parametrize(("name", "remedy"), ABLATIONS)
def test_without_its_remedy_the_batch_stays_out(home, name, remedy):
    outcome = keep(run_drill(name, home, pipeline="flights", ablate=remedy, variables={"restored_seconds_max": 60.0}))
    assert outcome.exit is Exit.NOT_RECOVERED, outcome.reason
