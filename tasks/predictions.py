"""The gateway's prediction log, brought into the lake: every answered row once, in the order of answering."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, ValidationError

from healing.errors import GatewayUnavailable
from tasks.lake import LakeTable, Novelty
from tasks.lock import exclusive
from tasks.traffic import PROBE_PREFIX

if TYPE_CHECKING:
    import pandas as pd

log = structlog.get_logger(__name__)

PREDICTIONS = "predictions"  # table of the lake
PAGE_ROWS = 20_000  # rows asked for at once: some 10 MB
TIMEOUT = httpx.Timeout(20.0, connect=2.0)  # seconds; a page takes the gateway well under one

_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("request_id", pa.string()),
        ("row", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("generation", pa.int64()),
        ("digest", pa.string()),
        ("version", pa.string()),
        ("rung", pa.string()),
        ("key", pa.string()),
        ("features", pa.string()),
        ("prediction", pa.float64()),
    ]
)


class LoggedPrediction(BaseModel):
    """One row of the gateway's log, as `GET /predictions` gives it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int
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


@dataclass(frozen=True, slots=True)
class Drained:
    """What came in: rows, and the sequence number up to which the lake is complete."""

    rows: int
    until_seq: int


def predictions_table(lake_root: Path) -> LakeTable:
    return LakeTable(lake_root, PREDICTIONS, ["seq"])


def drain_predictions(operate_url: str, lake_root: Path) -> Drained:
    """Bring in what the gateway logged since the last time.

    Exactly once: the rows of a page and the place in the log up to which the lake is complete are one commit, and one
    drain runs at a time. GatewayUnavailable when the gateway does not answer; what came in before stays.
    """
    table, total = predictions_table(lake_root), 0
    with exclusive(lake_root / "predictions.lock"):
        after = _last_seq(table)
        for page in _pages(operate_url, after):
            novelty = Novelty(added=page, corrected=page.slice(0, 0), duplicates={})
            table.commit(novelty, {f"{PREDICTIONS}/after-{after}": {"rows": page.num_rows}})
            total, after = total + page.num_rows, page["seq"][-1].as_py()
    log.info("predictions_drained", rows=total, until_seq=after)
    return Drained(rows=total, until_seq=after)


def read_predictions(lake_root: Path, digest: str) -> "pd.DataFrame":
    """The last answer that the model `digest` gave for each key: columns `key` and `prediction`.

    Without rows that carry no key, probes, and answers that were not finite; empty before the first drain.
    """
    import pandas as pd

    table = predictions_table(lake_root)
    if table.version() is None:
        return pd.DataFrame({"key": pd.Series(dtype="object"), "prediction": pd.Series(dtype="float64")})
    rows = table.read(columns=["seq", "request_id", "digest", "rung", "key", "prediction"])
    told = (
        (rows["rung"] != "baseline")
        & rows["key"].notna()
        & rows["prediction"].notna()
        & ~rows["request_id"].str.startswith(PROBE_PREFIX)
    )
    chosen = rows[(rows["digest"] == digest) & told].sort_values("seq")
    return chosen.drop_duplicates("key", keep="last")[["key", "prediction"]].reset_index(drop=True)


def _last_seq(table: LakeTable) -> int:
    if table.version() is None:
        return 0
    seqs = table.read(columns=["seq"])["seq"]
    return 0 if seqs.empty else int(seqs.max())


def _pages(operate_url: str, after: int) -> Iterator[pa.Table]:
    """Pages up to the end of the log as it was on arrival: a page that is not full was the last one.

    Waiting for an empty page instead would never end while clients ask, and commit a handful of rows at a time.
    """
    with httpx.Client(base_url=operate_url, timeout=TIMEOUT) as client:
        while True:
            page = _page(client, after)
            if page.num_rows:
                yield page
            if page.num_rows < PAGE_ROWS:
                return
            after = page["seq"][-1].as_py()


def _page(client: httpx.Client, after: int) -> pa.Table:
    try:
        response = client.get("/predictions", params={"after": after, "limit": PAGE_ROWS}).raise_for_status()
        rows = [LoggedPrediction.model_validate_json(line) for line in response.text.splitlines() if line]
    except httpx.HTTPError as exc:
        raise GatewayUnavailable(
            f"expected the prediction log at {client.base_url}, found {type(exc).__name__}: {exc}; see its log"
        ) from exc
    except ValidationError as exc:
        raise GatewayUnavailable(f"{client.base_url} answered /predictions with something else: {exc}") from exc
    rows.sort(key=lambda row: row.seq)
    return pa.Table.from_pylist([_record(row) for row in rows], schema=_SCHEMA)


def _record(row: LoggedPrediction) -> dict[str, Any]:
    return {**row.model_dump(exclude={"features"}), "features": json.dumps(row.features, separators=(",", ":"))}
