"""An independent oracle: computes each answer again with plain scikit-learn, and counts those that are wrong.

    python -m chaos.staging.oracle --release-root ROOT --directory DIR

It shares nothing with the gateway but the files of the release root, checks their digests itself, and keeps each model
in memory from the first intact copy on: a file that is damaged later changes no expectation. It also writes the
champion's golden rows as requests for the load of `chaos.staging.traffic`.
"""

import argparse
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from chaos.load import Answer, Request, write_requests
from chaos.reference_answers import ReferenceAnswers
from chaos.release_documents import newest
from chaos.staging.answer_files import AnswerReader
from chaos.staging.counts import OracleCounts
from chaos.verdict import Counts

__all__ = ["Models", "Oracle"]

POLL_SECONDS = 0.5
ROWS_MAX = 64
FLAVOUR = "sklearn-skops"
NUMBERS = frozenset({"double", "long", "boolean"})  # types of columns that a model gets as floating point
WRONG_KEPT_MAX = 1000  # wrong answers that are kept as evidence


@dataclass(slots=True)
class Models:
    """The models of a release root, each loaded once. `answers(model, rows)` are by number of the golden row."""

    root: Path
    _loaded: dict[str, tuple[dict[str, Any], Any]] = field(default_factory=dict)
    _answers: dict[tuple[str, str], Mapping[str, tuple[float, ...]]] = field(default_factory=dict)

    def requests(self, digest: str) -> list[Request]:
        """One request per golden row of a model, whose `row` names the model and the row; empty while it is damaged."""
        loaded = self._load(digest)
        if loaded is None:
            return []
        golden = loaded[0]["golden"]
        return [
            Request(
                f"{digest}/{number}", orjson.dumps({"dataframe_split": {"columns": golden["columns"], "data": [row]}})
            )
            for number, row in enumerate(golden["rows"][:ROWS_MAX])
        ]

    def expected(self, answer: Answer) -> ReferenceAnswers:
        """What the model that an answer names gives for its row; nothing where that cannot be computed."""
        rows_of = answer.row.partition("/")[0]
        key = (answer.digest, rows_of)
        if key not in self._answers:
            model, rows = self._load(answer.digest), self._load(rows_of)
            if model is None or rows is None:
                return ReferenceAnswers(answers={}, baselines=self._baselines())
            self._answers[key] = _answers(model, rows[0], rows_of)
        return ReferenceAnswers(answers={answer.digest: self._answers[key]}, baselines=self._baselines())

    def _baselines(self) -> tuple[float, ...]:
        return tuple(sorted({float(manifest["baseline"]) for manifest, _ in self._loaded.values()}))

    def _load(self, digest: str) -> tuple[dict[str, Any], Any] | None:
        """Manifest and estimator; None while the files are away or differ from their digests."""
        if digest not in self._loaded:
            try:
                self._loaded[digest] = _read_model(self.root / "models" / digest, digest)
            except (OSError, ValueError):
                return None
        return self._loaded[digest]


@dataclass(slots=True)
class Oracle:
    """Reads new answers, judges each, and keeps the counts in the directory, so that a restart continues."""

    root: Path
    directory: Path
    models: Models
    counts: OracleCounts
    _generation: int = 0

    @classmethod
    def of(cls, root: Path, directory: Path) -> "Oracle":
        directory.mkdir(parents=True, exist_ok=True)
        return cls(root, directory, Models(root), OracleCounts.read(directory))

    def step(self) -> None:
        """Publish the champion's rows if it is new, judge what was answered since, and write the counts."""
        self._renew_requests()
        reader = AnswerReader(self.directory, self.counts.segment, self.counts.offset)
        kinds = dict(self.counts.requests)
        for answer in reader.read():
            kind = self.models.expected(answer).classify(answer).value
            kinds = {**kinds, kind: kinds[kind] + 1, "total": kinds["total"] + 1}
            if kind == "wrong" and kinds[kind] <= WRONG_KEPT_MAX:
                self._keep(answer)
        self.counts = self.counts.model_copy(
            update={"requests": Counts(**kinds), "segment": reader.segment, "offset": reader.offset}
        )
        self.counts.write(self.directory)

    def _renew_requests(self) -> None:
        try:
            release = newest(self.root)
        except (OSError, json.JSONDecodeError):
            return  # no release yet, or a drill has hidden the directory
        if release["generation"] == self._generation:
            return
        digest = str(release["champion"]["digest"])
        requests = self.models.requests(digest)
        if requests:
            write_requests(self.directory / "requests" / f"{release['generation']:08d}.ndjson", requests)
            self._generation = release["generation"]
            self.counts = self.counts.model_copy(update={"champion": digest, "generation": self._generation})

    def _keep(self, answer: Answer) -> None:
        with (self.directory / "wrong.jsonl").open("ab") as file:
            file.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))


def _read_model(directory: Path, digest: str) -> tuple[dict[str, Any], Any]:
    """Manifest and estimator of the bytes that the digest names; ValueError for others. OSError when they are away."""
    body = (directory / "manifest.json").read_bytes()
    if hashlib.sha256(body).hexdigest() != digest:
        raise ValueError(f"expected a manifest with the digest {digest[:12]}, found another one")
    manifest: dict[str, Any] = json.loads(body)
    if manifest["flavor"] != FLAVOUR or manifest.get("output") is not None:
        return manifest, None  # not one that scikit-learn alone answers with one number per row
    content = (directory / manifest["model_file"]).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest["files"][manifest["model_file"]]:
        raise ValueError(f"expected the model file of {digest[:12]}, found another one")
    from skops import io

    return manifest, io.loads(content, trusted=io.get_untrusted_types(data=content))


def _answers(model: tuple[dict[str, Any], Any], of_rows: dict[str, Any], name: str) -> dict[str, tuple[float, ...]]:
    """The model's answers to the golden rows of a manifest; a row without a finite number has no right answer."""
    manifest, estimator = model
    if estimator is None:
        return {}
    import numpy as np
    import pandas as pd

    golden = of_rows["golden"]
    frame = pd.DataFrame(golden["rows"][:ROWS_MAX], columns=golden["columns"])
    numbers = [each["name"] for each in manifest["input_schema"]["columns"] if each["type"] in NUMBERS]
    frame = frame.astype({column: "float64" for column in numbers if column in frame.columns})
    answers: dict[str, tuple[float, ...]] = {}
    for number in range(len(frame)):
        try:
            with np.errstate(invalid="ignore", over="ignore"):  # a bad model may compute with infinities
                value = _answer(estimator, frame[number : number + 1])
        except ValueError:  # of scikit-learn, for a row that the model cannot answer
            value = math.nan
        answers[f"{name}/{number}"] = (value,) if math.isfinite(value) else ()
    return answers


def _answer(estimator: Any, row: Any) -> float:
    """The probability of the second of two classes, else the prediction."""
    if len(getattr(estimator, "classes_", ())) == 2:
        return float(estimator.predict_proba(row)[0, 1])
    return float(estimator.predict(row)[0])


def main() -> None:
    """Judge answers until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m chaos.staging.oracle")
    parser.add_argument("--release-root", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()
    oracle = Oracle.of(arguments.release_root, arguments.directory)
    while True:
        oracle.step()
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
