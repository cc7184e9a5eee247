"""The table of faults tells what happened: a trial whose outcome is known beforehand comes out as it must."""

from datetime import date

import pytest

from benchmarks.faults import SECTIONS
from benchmarks.result import PROJECT
from benchmarks.spoiled.clean import Price
from benchmarks.spoiled.page import Entry, page
from benchmarks.spoiled.trial import Bench, Outcome
from benchmarks.spoiled.world import world
from tasks.config.pipeline import load_pipeline

FAULTS = {fault.name: fault for faults in SECTIONS.values() for fault in faults}


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(
        load_pipeline("flights", PROJECT / "pipelines"), world(), date(2013, 2, 13), tmp_path_factory.mktemp("b")
    )


def test_a_fault_that_nothing_can_see_is_shown_with_the_rows_that_are_wrong(bench):
    outcome = bench.run(FAULTS["outliers: temp x 1.2 to x 1.5"], 0.25, seed=1, mirror=False)
    assert (outcome.detected, outcome.verdict, outcome.wrong) == (False, "accepted", 18)


def test_rows_that_are_set_aside_are_kept_out_and_none_is_wrong(bench):
    outcome = bench.run(FAULTS["missing at random: dest"], 0.01, seed=1, mirror=False)
    assert (outcome.verdict, outcome.wrong, outcome.lost) == ("quarantined", 0, 9)
    assert outcome.remedies == ("rows set aside",)


def test_a_mirror_gives_what_the_primary_spoiled(bench):
    outcome = bench.run(FAULTS["malformed JSON: cut off"], 1.0, seed=1, mirror=True)
    assert (outcome.verdict, outcome.wrong, outcome.lost) == ("accepted", 0, 0)
    assert outcome.remedies == ("switch_source",)


def test_the_same_trial_comes_out_the_same(bench):
    fault = FAULTS["unit x 60 (seconds): arr_delay"]
    assert bench.run(fault, 0.05, seed=3, mirror=False) == bench.run(fault, 0.05, seed=3, mirror=False)


def test_no_two_faults_have_one_name():
    assert len(FAULTS) == sum(len(faults) for faults in SECTIONS.values())


def test_the_page_lists_what_could_not_be_seen():
    blind = Outcome("accepted", (), (), (), received=10, wrong=3, lost=0)
    seen = Outcome("rejected", ("volume",), ("volume_anomaly",), ("quarantine_batch",), received=10, wrong=0, lost=10)
    entries = [
        Entry(FAULTS["outliers: temp x 1.2 to x 1.5"], 0.25, (blind,), blind),
        Entry(FAULTS["empty batch"], 1.0, (seen,), seen),
    ]
    text = page({"All": entries}, Price(365, 1095, 0, 1000, 1, 1, ("a",), ("b",)), [date(2013, 2, 13)])
    assert "* outliers: temp x 1.2 to x 1.5 at 25.0%: 3 wrong rows, 0 missing." in text
    assert "empty batch:" not in text
    assert "| days with an incident | 1 (0.27%) | ≤ 1 % |" in text
