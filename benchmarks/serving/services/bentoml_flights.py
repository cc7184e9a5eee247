"""The flights model behind BentoML with adaptive batching on and its access log off.

Run by BentoML's own environment: `bentoml serve bentoml_flights:Flights`, with FLIGHTS_MODEL and FLIGHTS_SCHEMA set.
"""

import json
import os
from pathlib import Path
from typing import Any

import bentoml  # type: ignore[import-not-found]
import joblib  # type: ignore[import-untyped]
import pandas as pd


@bentoml.service(workers=1, traffic={"timeout": 30}, logging={"access": {"enabled": False}})
class Flights:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["FLIGHTS_MODEL"])
        schema = json.loads(Path(os.environ["FLIGHTS_SCHEMA"]).read_text())
        self.columns = schema["columns"]
        self.dtypes = {c: "object" if c in schema["text_columns"] else "float64" for c in self.columns}

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1000, route="/predict")  # type: ignore[untyped-decorator]
    def predict(self, rows: list[list[Any]]) -> list[float]:
        frame = pd.DataFrame(rows, columns=self.columns).astype(self.dtypes)
        answers: list[float] = self.model.predict_proba(frame)[:, 1].tolist()
        return answers
