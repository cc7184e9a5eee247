"""Labels in a file of their own, which come later: joined by key, with their delay."""

import numpy as np
import pandas as pd
import pytest
import yaml

from healing.errors import UsageError
from tasks.onboarding.draft import OnboardingRequest, draft_pipeline
from tasks.onboarding.files import read_rows
from tasks.onboarding.guesses import guesses
from tasks.onboarding.onboard import generated_files, onboard
from tests.orders import classified, write

DELAY_DAYS = 3


def two_files(folder, **changes):
    """Orders without their label, and a file with labels that are known 0 to 6 days later, of nine in ten orders."""
    frame, generator = classified(), np.random.default_rng(7)
    waited = pd.to_timedelta(generator.uniform(0, 2 * DELAY_DAYS, len(frame)), unit="D")
    labels = pd.DataFrame({"id": frame["id"], "returned": frame["returned"]})
    labels["closed_at"] = (pd.to_datetime(frame["at"]) + waited).dt.strftime("%Y-%m-%d %H:%M:%S")
    labels = labels.sample(frac=0.9, random_state=1).assign(**changes)
    data = write(frame.drop(columns="returned"), folder / "orders.csv")
    return OnboardingRequest("mine", data, "returned", "at", "id", labels=write(labels, folder / "labels.csv"))


def draft_of(request):
    return draft_pipeline(request, read_rows(request.data), read_rows(request.labels))


def test_the_delay_is_shown_and_the_comparison_waits_for_it(tmp_path):
    request = two_files(tmp_path)
    draft = draft_of(request)
    shown = {guess.about: guess for guess in guesses(draft, generated_files(draft))}["label known at"]
    assert shown.choice == "closed_at: timestamp"
    assert "half of the labels come within 3" in shown.why
    assert "90% of the rows have one" in shown.why
    assert draft.label_delay_days == 6


def test_the_pipeline_of_two_files_accepts_both(tmp_path):
    result = onboard(two_files(tmp_path), tmp_path / "pipelines")
    assert [(each.table, each.accepted, each.quarantined) for each in result.dry_run] == [
        ("rows", 1200, 0),
        ("outcomes", 985, 0),  # those that are known by the last day of the rows
    ]
    written = yaml.safe_load((result.folder / "pipeline.yaml").read_text())
    assert written["label"] == {"table": "outcomes", "column": "returned", "known_at": "closed_at"}
    assert written["sources"][0]["tables"] == {"rows": "orders.csv", "outcomes": "labels.csv"}
    assert written["retrain"]["holdout_days"] == written["retrain"]["every_days"] + 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "x"}, "labels of the rows of --data, found 0 of 1 labels with a row"),
        ({"closed_at": "?"}, "time at which each label became known, found none"),
        ({"second": "2024-03-01 00:00:00"}, "found 'closed_at', 'second'"),
    ],
)
def test_a_label_file_that_does_not_fit_is_refused(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        draft_of(two_files(tmp_path, **changes))
