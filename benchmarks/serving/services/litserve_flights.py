"""The flights model behind LitServe with batching on.

Run by LitServe's own environment: `python litserve_flights.py PORT MODEL SCHEMA`; SCHEMA is JSON with `columns` and
`text_columns`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import litserve  # type: ignore[import-not-found]
import pandas as pd

# Of 32 to 256 requests and 2 to 10 ms none was better than this by more than the machine's noise.
BATCH_REQUESTS_MAX = 256
BATCH_WAIT_SECONDS = 0.005


class FlightsAPI(litserve.LitAPI):  # type: ignore[misc]
    """One batch is the rows of several requests; LitServe hands them over as a list."""

    def setup(self, device: str) -> None:
        del device
        _, _, model, schema = sys.argv
        self.model = joblib.load(model)
        columns = json.loads(Path(schema).read_text())
        self.columns = columns["columns"]
        self.dtypes = {c: "object" if c in columns["text_columns"] else "float64" for c in self.columns}

    def decode_request(self, request: dict[str, Any]) -> list[list[Any]]:
        rows: list[list[Any]] = request["rows"]
        return rows

    def batch(self, inputs: list[list[list[Any]]]) -> list[list[list[Any]]]:
        return inputs

    def predict(self, inputs: list[list[list[Any]]]) -> list[list[float]]:
        rows = [row for request in inputs for row in request]
        frame = pd.DataFrame(rows, columns=self.columns).astype(self.dtypes)
        answers = self.model.predict_proba(frame)[:, 1].tolist()
        split, start = [], 0
        for request in inputs:
            split.append(answers[start : start + len(request)])
            start += len(request)
        return split

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        return output

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        return {"predictions": output}


if __name__ == "__main__":
    api = FlightsAPI(max_batch_size=BATCH_REQUESTS_MAX, batch_timeout=BATCH_WAIT_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
