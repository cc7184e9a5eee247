"""Drills of sources of kind files and sql, on a pipeline that `autopilot init` made; all are of the suite `full`."""

import os

import pytest

from chaos.compose.drill import Tier, read_catalogue
from chaos.runner import run_drill
from chaos.verdict import Exit
from tests.recovery.own_data_lab import PIPELINE, own_data_lab
from tests.recovery.results import keep

pytestmark = [pytest.mark.drill, pytest.mark.timeout(900)]
FULL = os.environ.get("DRILL_SUITE") == "full"


def drills_of(need):
    return [drill.name for drill in read_catalogue() if FULL and drill.tier is Tier.DATA and need in drill.needs]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    with own_data_lab(tmp_path_factory.mktemp("files"), "files") as lab:
        yield lab


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with own_data_lab(tmp_path_factory.mktemp("database"), "sql") as lab:
        yield lab


@pytest.mark.parametrize("name", drills_of("files"))
def test_a_damaged_file_is_ingested_once_it_is_whole(files, name):
    files.renew()
    outcome = keep(run_drill(name, files.home, pipeline=PIPELINE))
    assert outcome.exit is Exit.RECOVERED, outcome.reason


@pytest.mark.parametrize("name", drills_of("database"))
def test_a_broken_database_is_ingested_once_it_answers(database, name):
    database.renew()
    outcome = keep(run_drill(name, database.home, pipeline=PIPELINE))
    assert outcome.exit is Exit.RECOVERED, outcome.reason
