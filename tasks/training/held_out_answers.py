"""Answers of the compared fit to held-out rows, kept in the model that is its refit.

The monitor needs answers of the recipe to rows that it has not learned; the refit has learned all of them.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.evaluation.predictions import with_predictions
from tasks.lake.columns import PREDICTION
from tasks.training.dataset import TrainingDataset
from tasks.training.inference import predict_or_nan
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import pandas as pd

ANSWERS_FILE = "held_out_answers.parquet"
ROWS_MAX = 20_000  # about 300 KB
_SEED = 20130101


def held_out_answers(plan: TrainingPlan, dataset: TrainingDataset, compared: Any) -> bytes:
    """Parquet bytes with the key and the predictions of at most ROWS_MAX held-out rows; equal on every call."""
    key = dataset.schema.key
    assert key is not None  # the schema of a dataset is made with the pipeline's key
    predictions = predict_or_nan(compared, dataset.held_out_inputs)
    answers = with_predictions(dataset.held_out[[key]], predictions, plan.classes)
    answers = answers[answers[PREDICTION].notna()]
    if len(answers) > ROWS_MAX:
        answers = answers.sample(ROWS_MAX, random_state=_SEED).sort_index()
    content = io.BytesIO()
    answers.to_parquet(content, index=False)
    return content.getvalue()


def read_answers(path: Path) -> "pd.DataFrame":
    """The answers in a file that has the bytes of `held_out_answers`."""
    import pandas as pd

    return pd.read_parquet(path)
