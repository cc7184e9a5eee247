"""A lake with logged predictions, shadow scores and labels, written as a drain writes them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from tasks.serving.prediction_log import LABEL_STREAM, PREDICTION_STREAM, SHADOW_STREAM

BEGAN = datetime(2013, 3, 1, 12, tzinfo=UTC)
CHAMPION, CHALLENGER = "a" * 64, "b" * 64
KINDS = ("a", "b")


@dataclass(frozen=True)
class Request:
    """One row requested live: its true probability and label, and the predictions of both models."""

    number: int
    at: datetime
    kind: str
    truth: float
    champion: float
    challenger: float
    label: int


def world(rows: int, *, seed: int = 0, worse: float = 0.0, kinds: Sequence[str] = KINDS, every: float = 5.0):
    """`rows` rows; on the given kinds, the challenger's log-odds have additional noise `worse`."""
    generator = np.random.default_rng(seed)
    requests = []
    for number in range(rows):
        kind = KINDS[generator.integers(2)]
        logit = generator.normal(-0.5, 1.3)
        truth = 1 / (1 + np.exp(-logit))
        noise = generator.normal(0, 0.3, 2)
        off = noise[1] + (generator.normal(0, worse) if kind in kinds else 0.0)
        predictions = [float(1 / (1 + np.exp(-(logit + each)))) for each in (noise[0], off)]
        at = BEGAN + timedelta(seconds=every * number)
        requests.append(Request(number, at, kind, truth, *predictions, int(generator.random() < truth)))
    return requests


def log_shadow_trial(lake: Path, requests: Sequence[Request], *, keyed: bool = False) -> None:
    """The champion answered all rows, the challenger scored a copy of each."""
    answered = [_answer(row, keyed) for row in requests]
    scores = [
        {**_place(row), "digest": CHALLENGER, "version": "2.0.0", "prediction": row.challenger, "error": ""}
        for row in requests
    ]
    _write(lake / "predictions", answered, PREDICTION_STREAM.schema)
    _write(lake / "shadow", scores, SHADOW_STREAM.schema)


def send_labels(lake: Path, requests: Sequence[Request], after: timedelta = timedelta(seconds=2)) -> None:
    """Clients send the labels back."""
    sent = [
        {"epoch": "e", "seq": row.number, "request_id": f"r{row.number}", "row": 0, "at": row.at + after,
         "label": float(row.label)}
        for row in requests
    ]  # fmt: skip
    _write(lake / "feedback", sent, LABEL_STREAM.schema)


def write_outcomes(lake: Path, requests: Sequence[Request], known_after: timedelta) -> None:
    """The toy pipeline's tables for rows with a key: features and outcomes."""
    frame = pd.DataFrame(
        {
            "id": [f"k{row.number}" for row in requests],
            "asked_at": [row.at for row in requests],
            "event_day": [row.at.date() for row in requests],
            "kind": [row.kind for row in requests],
            "x": 0.0,
            "z": 0.0,
        }
    )
    write_deltalake(lake / "features", frame, mode="append")
    outcomes = frame[["id"]].assign(
        known_at=[row.at + known_after for row in requests], event_day=frame["event_day"],
        late=[row.label for row in requests],
    )  # fmt: skip
    write_deltalake(lake / "outcomes", outcomes, mode="append")


def _answer(row: Request, keyed: bool) -> dict[str, object]:
    features = {"kind": row.kind, "x": 0.0, "z": 0.0}
    return {
        **_place(row), "digest": CHAMPION, "version": "1.0.0", "rung": "champion",
        "key": f"k{row.number}" if keyed else None, "features": json.dumps(features), "prediction": row.champion,
    }  # fmt: skip


def _place(row: Request) -> dict[str, object]:
    return {"epoch": "e", "seq": row.number, "request_id": f"r{row.number}", "row": 0, "at": row.at, "generation": 2}


def _write(path: Path, rows: list[dict[str, object]], schema: pa.Schema) -> None:
    write_deltalake(path, pa.Table.from_pylist(rows, schema=schema), mode="append")
