"""Paired rows: predictions by the gateway, by a shadow, or computed afterwards from logged features."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from healing.trial_rules import DEFAULT_RULES
from healing.verdict import Outcome
from releases.loader import load
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.monitoring.champion_comparison import paired_quality
from tasks.monitoring.paired_rows import paired_rows
from tasks.serving.prediction_log import PREDICTION_STREAM
from tests.published import SCHEMA, frame, publish_tiny_model, raising_estimator, tiny_rows
from tests.toy import toy_pipeline

BEGAN = datetime(2013, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def models(tmp_path):
    """A champion, and a challenger that raises on carrier ZZ; both loaded."""
    keys = ensure_keys(tmp_path / "keys")
    root = tmp_path / "releases"
    published = [
        publish_tiny_model(root, keys),
        publish_tiny_model(root, keys, version="0.2.0", estimator=raising_estimator(2)),
    ]
    return [load(ModelStore(root).path(model.digest), keys.public) for model in published]


def log_answers(lake, digest, rows, *, rung="champion", prefix="r", names=SCHEMA.names):
    entries = [
        {
            "epoch": "e", "seq": n, "request_id": f"{prefix}{n}", "row": 0, "at": BEGAN + timedelta(seconds=n),
            "generation": 2, "digest": digest, "version": "0.1.0", "rung": rung, "key": None, "prediction": 0.25,
            "features": json.dumps(dict(zip(names, row, strict=True))),
        }
        for n, row in enumerate(rows)
    ]  # fmt: skip
    write_deltalake(lake / "predictions", pa.Table.from_pylist(entries, schema=PREDICTION_STREAM.schema), mode="append")


def paired(lake, *models):
    return paired_rows(lake, *models, BEGAN, BEGAN + timedelta(hours=1)).rows


def test_the_other_model_predicts_afterwards_what_one_predicted_live(tmp_path, models):
    champion, challenger = models
    rows = tiny_rows(20)
    log_answers(tmp_path, champion.digest, rows)
    found = paired(tmp_path, champion, challenger)
    assert found["champion"].tolist() == [0.25] * 20
    assert found["challenger"].tolist() == pytest.approx(challenger.predict(frame(rows)).tolist())


def test_rows_on_which_a_model_raises_are_left_out_and_the_others_stay(tmp_path, models):
    champion, challenger = models
    rows = tiny_rows(50)
    for odd in (3, 17, 18):
        rows[odd][0] = "ZZ"
    log_answers(tmp_path, champion.digest, rows)
    assert len(paired(tmp_path, champion, challenger)) == 47


def test_a_model_that_raises_on_all_rows_gives_no_pairs(tmp_path, models):
    champion, challenger = models
    log_answers(tmp_path, champion.digest, [["ZZ", 1.0, 3] for _ in range(500)])
    assert paired(tmp_path, champion, challenger).empty


def test_a_model_known_only_by_its_digest_has_only_logged_predictions(tmp_path, models):
    champion, challenger = models
    log_answers(tmp_path, champion.digest, tiny_rows(5))
    assert paired(tmp_path, champion.digest, challenger.digest).empty
    assert len(paired(tmp_path, champion.digest, challenger)) == 5


def test_probes_and_baseline_answers_are_left_out(tmp_path, models):
    champion, challenger = models
    log_answers(tmp_path, champion.digest, tiny_rows(3), prefix="probe-")
    log_answers(tmp_path, None, tiny_rows(3), rung="baseline", prefix="b")
    assert paired(tmp_path, champion, challenger).empty


def test_requests_that_lack_a_column_of_the_model_are_left_out(tmp_path, models):
    champion, challenger = models
    log_answers(tmp_path, champion.digest, tiny_rows(2))
    narrow = challenger.manifest.input_schema.model_copy(
        update={"columns": (*SCHEMA.columns, SCHEMA.columns[1].model_copy(update={"name": "wind"}))}
    )
    wider = challenger.manifest.model_copy(update={"input_schema": narrow})
    other = type(challenger)(challenger.digest, wider, challenger.estimator)
    assert paired(tmp_path, champion, other).empty


def test_a_row_whose_features_are_not_all_logged_is_not_predicted_and_the_columns_are_counted(tmp_path, models):
    """The model answers any carrier, so it would also answer a code, and wrongly."""
    challenger, champion = models
    log_answers(tmp_path, champion.digest, tiny_rows(3), prefix="whole")
    log_answers(tmp_path, champion.digest, [[{"hash": "9f"}, 1.0, 3]] * 4, prefix="hashed")
    log_answers(tmp_path, champion.digest, [[1.0]] * 5, prefix="dropped", names=["distance"])
    rows, unobserved = paired_rows(tmp_path, champion, challenger, BEGAN, BEGAN + timedelta(hours=1))
    assert rows["request_id"].tolist() == ["whole0", "whole1", "whole2"]
    assert unobserved == {"carrier": 9, "hour": 5}
    (overall,) = paired_quality(toy_pipeline(), tmp_path, champion, challenger, BEGAN, DEFAULT_RULES)
    assert (overall.outcome, overall.observations) == (Outcome.INCONCLUSIVE, 0)
    assert "not observed: 9 more rows are not compared: the log does not have 'carrier'" in overall.reason
