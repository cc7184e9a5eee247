from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.flights import drills
from pipelines.flights.features import build_features
from pipelines.flights.feed import year
from pipelines.flights.model import CATEGORIES, NUMBERS, build_estimator
from releases.flavours.sklearn_skops import TRUSTED_TYPES
from tests.pipelines.flights.test_features import TIMES


def labelled(first: date, days: int) -> pd.DataFrame:
    """Features and labels of consecutive days."""
    tables = {}
    for name, columns in TIMES.items():
        span = [first + timedelta(days=index) for index in range(-1 if name != "flights" else 0, days + 1)]
        frame = pd.concat([year()[name].day(day).to_pandas() for day in span], ignore_index=True)
        tables[name] = frame.assign(**{each: frame[each].dt.as_unit("us").dt.tz_localize("UTC") for each in columns})
    return build_features(tables).merge(tables["outcomes"][["flight_id", "late"]], on="flight_id")


@pytest.fixture(scope="module")
def learned():
    return labelled(date(2013, 1, 2), 28)


@pytest.fixture(scope="module")
def later():
    return labelled(date(2013, 2, 4), 7)


def test_ranks_later_flights_better_than_chance(learned, later):
    model = build_estimator().fit(learned, learned["late"])
    answers = model.predict_proba(later)[:, 1]
    assert roc_auc_score(later["late"], answers) > 0.62
    assert np.isfinite(answers).all()


def test_predicts_rows_with_unknown_categories_and_missing_values(learned):
    model = build_estimator().fit(learned, learned["late"])
    unknown = learned.head(1).assign(carrier="ZZ", dest=None, **dict.fromkeys(NUMBERS, np.nan))
    assert 0 <= model.predict_proba(unknown)[0, 1] <= 1


def test_uses_all_features_and_nothing_else(learned):
    assert {*CATEGORIES, *NUMBERS} == set(learned.columns) - {"flight_id", "asked_at", "event_day", "late"}


def test_needs_only_types_that_the_loader_trusts(learned):
    from skops import io

    for build in (build_estimator, drills.build_estimator):
        content = io.dumps(build().fit(learned, learned["late"]))
        assert set(io.get_untrusted_types(data=content)) <= TRUSTED_TYPES


def test_the_candidate_of_the_drills_predicts_training_rows_and_fails_on_live_rows(learned, later):
    model = drills.build_estimator().fit(learned, learned["late"])
    assert np.isfinite(model.predict_proba(learned.head(500))).all()
    failed = 0
    for row in range(0, len(later), 100):
        try:
            model.predict_proba(later.iloc[[row]])
        except ValueError:
            failed += 1
    assert failed >= len(later) / 100 * 0.2
