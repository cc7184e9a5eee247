"""The models of a release root, loaded with plain scikit-learn: what each answers to the golden rows of each.

Nothing is shared with the gateway but the files. Their digests are checked here, and each model is kept from its first
intact copy on: a file that is damaged later changes no expectation.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from chaos.load import Answer, Request
from chaos.reference_answers import ReferenceAnswers

__all__ = ["Models"]

ROWS_MAX = 64
FLAVOUR = "sklearn-skops"
NUMBERS = frozenset({"double", "long", "boolean"})  # types of columns that a model gets as floating point


@dataclass(slots=True)
class Models:
    """The models of a release root. Each is loaded once, and its answers to the golden rows of a manifest are kept."""

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
