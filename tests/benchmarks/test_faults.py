"""The table of faults shows what happened: trials whose outcome is known beforehand."""

from datetime import date

import pytest

from benchmarks.faults import SECTIONS
from benchmarks.result import PROJECT
from benchmarks.spoiled.clean_days import CleanDays
from benchmarks.spoiled.page import FaultEntry, page
from benchmarks.spoiled.source_year import source_year
from benchmarks.spoiled.trial import FaultTrials, TrialOutcome
from tasks.config.pipeline import load_pipeline

FAULTS = {fault.name: fault for faults in SECTIONS.values() for fault in faults}


@pytest.fixture(scope="module")
def trials(tmp_path_factory) -> FaultTrials:
    return FaultTrials(
        load_pipeline("flights", PROJECT / "pipelines"), source_year(), date(2013, 2, 13), tmp_path_factory.mktemp("b")
    )


def test_an_undetected_fault_is_counted_with_its_wrong_rows(trials):
    outcome = trials.run(FAULTS["outliers: temp x 1.2 to x 1.5"], 0.25, seed=1, mirror=False)
    assert (outcome.detected, outcome.verdict, outcome.wrong) == (False, "accepted", 18)


def test_quarantined_rows_are_missing_and_none_is_wrong(trials):
    outcome = trials.run(FAULTS["missing at random: dest"], 0.01, seed=1, mirror=False)
    assert (outcome.verdict, outcome.wrong, outcome.lost) == ("quarantined", 0, 9)
    assert outcome.remedies == ("rows quarantined",)


def test_a_mirror_replaces_a_spoiled_batch(trials):
    outcome = trials.run(FAULTS["malformed JSON: cut off"], 1.0, seed=1, mirror=True)
    assert (outcome.verdict, outcome.wrong, outcome.lost) == ("accepted", 0, 0)
    assert outcome.remedies == ("switch_source",)


def test_a_trial_is_deterministic(trials):
    fault = FAULTS["unit x 60 (seconds): arr_delay"]
    assert trials.run(fault, 0.05, seed=3, mirror=False) == trials.run(fault, 0.05, seed=3, mirror=False)


def test_names_of_faults_are_unique():
    assert len(FAULTS) == sum(len(faults) for faults in SECTIONS.values())


def test_the_page_lists_undetected_faults():
    blind = TrialOutcome("accepted", (), (), (), received=10, wrong=3, lost=0)
    seen = TrialOutcome(
        "rejected", ("volume",), ("volume_anomaly",), ("quarantine_batch",), received=10, wrong=0, lost=10
    )
    entries = [
        FaultEntry(FAULTS["outliers: temp x 1.2 to x 1.5"], 0.25, (blind,), blind),
        FaultEntry(FAULTS["empty batch"], 1.0, (seen,), seen),
    ]
    text = page({"All": entries}, CleanDays(365, 1095, 0, 1000, 1, 1, ("a",), ("b",)), [date(2013, 2, 13)])
    assert "* outliers: temp x 1.2 to x 1.5 at 25.0%: 3 wrong rows, 0 rows missing." in text
    assert "empty batch:" not in text
    assert "| days with an incident | 1 (0.27%) | ≤ 1 % |" in text
