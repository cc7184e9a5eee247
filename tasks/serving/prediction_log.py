"""The gateway's log in the lake: predictions, shadow scores, and the labels and outcomes that clients sent back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import structlog
from pydantic import AwareDatetime, JsonValue

from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable
from tasks.lake.write_locks import WriteLock, write_lock
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.log_streams import TIMEOUT, DrainedStream, LoggedEntry
from tasks.serving.operate_key import operating_client

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

PREDICTIONS = "predictions"  # tables of the lake
SHADOW = "shadow"
FEEDBACK = "feedback"
OUTCOMES = "feedback_outcomes"  # a pipeline may have a table `outcomes`

_PLACE = [
    ("epoch", pa.string()),
    ("seq", pa.int64()),
    ("request_id", pa.string()),
    ("row", pa.int64()),
    ("at", pa.timestamp("us", tz="UTC")),
    ("generation", pa.int64()),
    ("digest", pa.string()),
    ("version", pa.string()),
]


class LoggedPrediction(LoggedEntry):
    """One answered row, as `GET /predictions` returns it."""

    request_id: str
    row: int
    at: AwareDatetime
    generation: int
    digest: str | None
    version: str | None
    rung: str
    key: str | None = None
    features: dict[str, JsonValue]
    prediction: float | None
    failed: str | None = None  # digest of the version that was tried first and failed; "" if none failed
    outputs: JsonValue = None  # what the client got, where that is not the prediction
    client: str | None = None  # its number in an A/B test
    latency_ms: float | None = None  # from request to answer; `failed` and this are None in logs of older gateways

    def record(self) -> dict[str, Any]:
        numbers = self.outputs if isinstance(self.outputs, list) else None  # a label follows from the prediction
        return {**LoggedEntry.record(self), "features": orjson.dumps(self.features).decode(), "outputs": numbers}


class LoggedScore(LoggedEntry):
    """One row that a shadow scored, as `GET /shadow` returns it. `error` says why there is no prediction."""

    request_id: str
    row: int
    at: AwareDatetime
    generation: int
    digest: str
    version: str
    prediction: float | None
    error: str


class LoggedLabel(LoggedEntry):
    """The label that a client sent for one answered row. If there are several, the last one counts."""

    request_id: str
    row: int
    label: float
    at: AwareDatetime


class LoggedOutcome(LoggedEntry):
    """The value of an outcome that a client sent for one answered row. If there are several, the last one counts."""

    request_id: str
    row: int
    name: str
    value: float
    at: AwareDatetime


PREDICTION_STREAM = DrainedStream(
    "/predictions",
    LoggedPrediction,
    pa.schema(
        [
            *_PLACE,
            ("rung", pa.string()),
            ("key", pa.string()),
            ("features", pa.string()),
            ("prediction", pa.float64()),
            ("failed", pa.string()),
            ("latency_ms", pa.float64()),
            ("outputs", pa.list_(pa.float64())),  # of a model with several, such as the probability of each class
            ("client", pa.string()),
        ]
    ),
)
SHADOW_STREAM = DrainedStream(
    "/shadow", LoggedScore, pa.schema([*_PLACE, ("prediction", pa.float64()), ("error", pa.string())])
)

LABEL_STREAM = DrainedStream("/labels", LoggedLabel, pa.schema([*_PLACE[:5], ("label", pa.float64())]))
OUTCOME_STREAM = DrainedStream(
    "/outcomes", LoggedOutcome, pa.schema([*_PLACE[:5], ("name", pa.string()), ("value", pa.float64())]), recent=True
)


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain added: the number of rows, and up to which sequence number the lake is complete."""

    rows: int
    until_seq: int


def predictions_table(lake_root: LakeRoot) -> LakeTable:
    return LakeTable(lake_root, PREDICTIONS, ["epoch", "seq"])


def shadow_table(lake_root: LakeRoot) -> LakeTable:
    return LakeTable(lake_root, SHADOW, ["epoch", "seq"])


def feedback_table(lake_root: LakeRoot) -> LakeTable:
    return LakeTable(lake_root, FEEDBACK, ["epoch", "seq"])


def outcomes_table(lake_root: LakeRoot) -> LakeTable:
    return LakeTable(lake_root, OUTCOMES, ["epoch", "seq"])


def drain_predictions(operate_url: str, lake_root: LakeRoot) -> Drained:
    """Copy what the gateway logged since the last drain into the lake: predictions, shadow scores, feedback.

    One drain runs at a time. GatewayUnavailable when the gateway does not answer; entries copied before that stay.
    """
    with (
        write_lock(lake_root, WriteLock.PREDICTIONS),
        operating_client(TIMEOUT, operate_url) as client,
    ):
        rows, until = PREDICTION_STREAM.drain(client, predictions_table(lake_root))
        scores, _ = SHADOW_STREAM.drain(client, shadow_table(lake_root))
        labels, _ = LABEL_STREAM.drain(client, feedback_table(lake_root))
        outcomes, _ = OUTCOME_STREAM.drain(client, outcomes_table(lake_root))
    log.info("predictions_drained", rows=rows, until_seq=until, shadow_rows=scores, labels=labels, outcomes=outcomes)
    return Drained(rows=rows, until_seq=until)


def read_predictions(lake_root: LakeRoot, digest: str) -> "pd.DataFrame":
    """The last prediction of the model `digest` for each key: columns `key`, `prediction` and `outputs`.

    `outputs` are the probabilities of all classes, where the model has several; else None. Rows without a key, probes
    and predictions that are not finite are left out. Empty before the first drain.
    """
    import pandas as pd

    table = predictions_table(lake_root)
    if table.version() is None:
        types = {"key": "object", "prediction": "float64", "outputs": "object"}
        return pd.DataFrame({name: pd.Series(dtype=type_) for name, type_ in types.items()})
    rows = read_log(table, ["at", "seq", "request_id", "digest", "rung", "key", "prediction", "outputs"])
    usable = (
        (rows["rung"] != "baseline")
        & rows["key"].notna()
        & rows["prediction"].notna()
        & ~rows["request_id"].str.startswith(PROBE_PREFIX)
    )
    chosen = rows[(rows["digest"] == digest) & usable].sort_values(["at", "seq"])
    return chosen.drop_duplicates("key", keep="last")[["key", "prediction", "outputs"]].reset_index(drop=True)


def read_log(table: LakeTable, columns: list[str], **where: Any) -> "pd.DataFrame":
    """Columns of a table of the log; None for one that an older version of this program did not write."""
    known = set(table.columns())
    rows = table.read(columns=[name for name in columns if name in known], **where)
    return rows.assign(**{name: None for name in columns if name not in known})


def logged_outputs(outputs: "pd.Series[Any]", width: int) -> "NDArray[np.float64]":
    """Logged outputs as a matrix, shape (rows, width); NaN in a row without as many."""
    import numpy as np

    found = np.full((len(outputs), width), np.nan)
    for place, row in enumerate(outputs):
        if row is not None and np.size(row) == width:
            found[place] = row
    return found
