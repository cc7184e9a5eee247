"""What the gateway answered, what shadows scored and what clients say came true, in the lake."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pyarrow as pa
import structlog
from pydantic import AwareDatetime, JsonValue

from tasks.lake.lake_table import LakeTable
from tasks.lake.write_locks import WriteLock, write_lock
from tasks.serving.gateway_client import PROBE_PREFIX
from tasks.serving.log_streams import TIMEOUT, LoggedEntry, LogStream

if TYPE_CHECKING:
    import pandas as pd

log = structlog.get_logger(__name__)

PREDICTIONS = "predictions"  # tables of the lake
SHADOW = "shadow"
FEEDBACK = "feedback"

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
    """One answered row, as `GET /predictions` gives it."""

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
    failed: str | None = None  # digest of the version that was asked first and failed; "" where none did
    latency_ms: float | None = None  # from the question to its answer; both are None in what an older gateway logged

    def record(self) -> dict[str, Any]:
        return {**LoggedEntry.record(self), "features": orjson.dumps(self.features).decode()}


class LoggedScore(LoggedEntry):
    """One row that a shadow scored, as `GET /shadow` gives it; `error` says why there is no prediction."""

    request_id: str
    row: int
    at: AwareDatetime
    generation: int
    digest: str
    version: str
    prediction: float | None
    error: str


class LoggedLabel(LoggedEntry):
    """What a client says came true for one answered row; of several for one row the last one holds."""

    request_id: str
    row: int
    label: float
    at: AwareDatetime


_ANSWERS = LogStream(
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
        ]
    ),
)
_SCORES = LogStream("/shadow", LoggedScore, pa.schema([*_PLACE, ("prediction", pa.float64()), ("error", pa.string())]))

_LABELS = LogStream("/labels", LoggedLabel, pa.schema([*_PLACE[:5], ("label", pa.float64())]))


@dataclass(frozen=True, slots=True)
class Drained:
    """What came in: answered rows, and the number up to which the lake is complete in the log's present epoch."""

    rows: int
    until_seq: int


def predictions_table(lake_root: Path) -> LakeTable:
    return LakeTable(lake_root, PREDICTIONS, ["epoch", "seq"])


def shadow_table(lake_root: Path) -> LakeTable:
    return LakeTable(lake_root, SHADOW, ["epoch", "seq"])


def feedback_table(lake_root: Path) -> LakeTable:
    return LakeTable(lake_root, FEEDBACK, ["epoch", "seq"])


def drain_predictions(operate_url: str, lake_root: Path) -> Drained:
    """Bring in what the gateway logged since the last time: answers, shadow scores, labels. One drain runs at a time.

    GatewayUnavailable when the gateway does not answer; what came in before stays.
    """
    with (
        write_lock(lake_root, WriteLock.PREDICTIONS),
        httpx.Client(base_url=operate_url, timeout=TIMEOUT) as client,
    ):
        rows, until = _ANSWERS.drain(client, predictions_table(lake_root))
        scores, _ = _SCORES.drain(client, shadow_table(lake_root))
        labels, _ = _LABELS.drain(client, feedback_table(lake_root))
    log.info("predictions_drained", rows=rows, until_seq=until, shadow_rows=scores, labels=labels)
    return Drained(rows=rows, until_seq=until)


def read_predictions(lake_root: Path, digest: str) -> "pd.DataFrame":
    """The last answer that the model `digest` gave for each key: columns `key` and `prediction`.

    Without rows that carry no key, probes, and answers that were not finite; empty before the first drain.
    """
    import pandas as pd

    table = predictions_table(lake_root)
    if table.version() is None:
        return pd.DataFrame({"key": pd.Series(dtype="object"), "prediction": pd.Series(dtype="float64")})
    rows = table.read(columns=["at", "seq", "request_id", "digest", "rung", "key", "prediction"])
    told = (
        (rows["rung"] != "baseline")
        & rows["key"].notna()
        & rows["prediction"].notna()
        & ~rows["request_id"].str.startswith(PROBE_PREFIX)
    )
    chosen = rows[(rows["digest"] == digest) & told].sort_values(["at", "seq"])
    return chosen.drop_duplicates("key", keep="last")[["key", "prediction"]].reset_index(drop=True)
