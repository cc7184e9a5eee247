"""A column that gives the label away is found, by its values or by where it is missing; a good column is not."""

import numpy as np
import pandas as pd
import pytest

from tasks.onboarding.draft import OnboardingRequest, draft_pipeline
from tasks.onboarding.files import read_rows
from tasks.onboarding.guesses import guesses
from tasks.onboarding.leakage import explained_share
from tasks.onboarding.onboard import generated_files
from tests.orders import classified, orders, write


def warnings_of(tmp_path, frame, **changes):
    options = {"name": "mine", "data": write(frame, tmp_path / "orders.csv"), "label": "returned", "time": "at"}
    request = OnboardingRequest(**(options | {"key": "id"} | changes))
    draft = draft_pipeline(request, read_rows(request.data))
    found = guesses(draft, generated_files(draft))
    return {guess.choice: guess.why for guess in found if guess.about == "WARNING"}


def test_ordinary_columns_give_nothing_away(tmp_path):
    """Nor do keys that count up with time."""
    assert warnings_of(tmp_path, classified()) == {}


def test_each_way_of_giving_the_label_away_is_named_with_the_line_to_change(tmp_path):
    frame, generator = classified(), np.random.default_rng(1)
    returned = frame["returned"] == 1
    noise = generator.normal(0, 0.1, len(frame))
    warned = warnings_of(
        tmp_path,
        frame.assign(
            refund=np.where(returned, frame["amount"], None),  # missing unless returned
            code=np.where(returned, generator.choice(["a", "b"], len(frame)), generator.choice(["c", "d"], len(frame))),
            score=np.where(returned, 3, -3) + noise,
        ),
    )
    assert set(warned) == {f"column {name} gives the label away" for name in ("refund", "code", "score")}
    assert "by where it is missing" in warned["column refund gives the label away"]
    assert 'remove "code" from CATEGORIES in features.py' in warned["column code gives the label away"]
    assert 'remove "score" from NUMBERS in features.py' in warned["column score gives the label away"]


def test_a_date_that_follows_the_label_is_named(tmp_path):
    frame = classified()
    shift = pd.to_timedelta(np.where(frame["returned"] == 1, 9, 2), unit="D")
    warned = warnings_of(tmp_path, frame.assign(closed=(pd.to_datetime(frame["at"]) + shift).astype(str)))
    assert 'remove "closed" from DATES' in warned["column closed gives the label away"]


def test_a_quantity_that_repeats_the_label_is_named(tmp_path):
    frame = orders().drop(columns="returned")
    warned = warnings_of(tmp_path, frame.assign(gross=frame["cost"] * 1.19), label="cost")
    assert list(warned) == ["column gross gives the label away"]


def test_keys_that_number_the_rows_by_label_are_named(tmp_path):
    frame = classified().sort_values("returned", kind="stable").assign(id=range(1200))
    assert list(warnings_of(tmp_path, frame)) == ["key id orders the label"]


@pytest.mark.parametrize("count", [2, 50, 1500])
def test_groups_without_a_relation_explain_nothing(count):
    generator = np.random.default_rng(count)
    targets = (generator.random((2000, 1)) < 0.3).astype(float)
    assert explained_share(generator.integers(0, count, 2000), targets) < 0.02
