"""A model must not learn from what a model said: not as its label, and not as one of its features.

Found by configuration (the label's table is the gateway's log, or is served by the gateway) and by data (values that
are the logged answers to the same rows).
"""

from typing import TYPE_CHECKING, Any

from healing.errors import TrainingRefused
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelSource
from tasks.lake.columns import LABEL
from tasks.serving.prediction_log import PREDICTIONS, SHADOW, predictions_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ROWS_MIN = 200  # answered rows with a value: fewer may agree by chance
SHARE_MIN = 0.99  # of them that are the answer itself, to the last digits that a CSV keeps
DIGITS = 1e-6
DISSENT_EXPECTED_MIN = 20.0  # labels that should differ from the likelier class; that none does has chance e^-20


def refuse_own_labels(pipeline: Pipeline, gateways: tuple[str, ...]) -> None:
    """Raise TrainingRefused when the label's table is the gateway's own log, by its name or by who serves it.

    `gateways` are the gateway's addresses, e.g. http://127.0.0.1:8080.
    """
    table = pipeline.label.table
    if table in (PREDICTIONS, SHADOW):
        raise TrainingRefused(_label_message(f"table {table!r}, in which the lake keeps the gateway's answers"))
    for source in pipeline.sources:
        address = str(getattr(source, "url", "") or "")
        served = not source.tables or table in source.tables
        if served and any(address.startswith(gateway) for gateway in gateways if gateway):
            raise TrainingRefused(_label_message(f"source {source.name!r} at {address}, which is the gateway"))


def refuse_own_answers(rows: "pd.DataFrame", source: LabelSource, columns: tuple[str, ...], output: str) -> None:
    """Raise TrainingRefused when labels or a feature of `rows` are what the gateway answered for them."""
    answered = _answered(rows, source)
    if len(answered) < ROWS_MIN:
        return
    answers = answered["answer"].to_numpy()
    if _are_labels(answered[LABEL].to_numpy(), answers, output):
        raise TrainingRefused(_label_message(f"labels that are the logged answers to all of {len(answered)} rows"))
    for name in columns:
        values = answered[name]
        if values.dtype.kind == "f" and _are_answers(values.to_numpy(), answers):
            raise TrainingRefused(
                f"expected features that do not depend on a model's answer, found {name!r} equal to the logged answers "
                f"of {len(answered)} rows; take the column out of the pipeline's features"
            )


def _answered(rows: "pd.DataFrame", source: LabelSource) -> "pd.DataFrame":
    """Rows that some model answered, with the last `answer` to each."""
    import pandas as pd

    table = predictions_table(source.lake_root)
    if table.version() is None:
        return rows.iloc[:0].assign(answer=pd.Series(dtype="float64"))
    logged = table.read(columns=["at", "key", "rung", "prediction"])
    told = logged[(logged["rung"] != "baseline") & logged["key"].notna() & logged["prediction"].notna()]
    last = told.sort_values("at").drop_duplicates("key", keep="last").set_index("key")["prediction"]
    found = rows.assign(answer=rows[source.key].map(last))
    return found[found["answer"].notna()]


def _are_answers(values: "NDArray[np.float64]", answers: "NDArray[np.float64]") -> bool:
    """Whether nearly all of the known values are the answers. A constant answer is equal to much by chance."""
    import numpy as np

    known = np.isfinite(values)
    if known.sum() < ROWS_MIN or np.ptp(answers[known]) <= DIGITS:
        return False
    return bool((np.abs(values[known] - answers[known]) <= DIGITS).mean() >= SHARE_MIN)


def _are_labels(labels: "NDArray[np.float64]", answers: "NDArray[np.float64]", output: str) -> bool:
    """Whether the labels are the answers, or for a class the likelier one in every row, where the answers themselves
    expect many to differ.
    """
    import numpy as np

    if _are_answers(labels, answers):
        return True
    if output == "value":
        return False
    dissent: Any = np.minimum(answers, 1 - answers).sum()
    return bool(dissent >= DISSENT_EXPECTED_MIN and ((answers >= 0.5) == (labels > 0)).all())


def _label_message(found: str) -> str:
    return (
        f"expected labels from the world, found {found}; name the table in which outcomes are recorded in label.table"
    )
