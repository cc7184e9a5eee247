"""Classifies every answer as good, degraded, failed or wrong.

A wrong answer is a 200 whose value differs from what the model that it names predicts. The expected value comes from a
copy of that model, which was made when its release appeared and is scored here, outside the gateway.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from chaos.load import Answer, read_requests
from healing.release import Release
from releases.loader import load
from releases.model_inputs import frame_of
from releases.store import ModelStore

TOLERANCE = 1e-9
OK = 200
BASELINE = "baseline"

References = Mapping[tuple[str, str], float]  # (digest, row) to the expected value
Baselines = Mapping[int, float]  # generation to the baseline answer


class RequestClass(StrEnum):
    """The quality of one answer, as its client sees it."""

    GOOD = "good"
    DEGRADED = "degraded"
    FAILED = "failed"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class ModelCopies:
    """Copies of the released models in `root`, made before any fault."""

    root: Path
    public_key: Path

    def keep(self, store: ModelStore, release: Release) -> None:
        """Copy every model of `release` that is not kept yet."""
        trial = (release.challenger.model,) if release.challenger else ()
        for model in (release.champion, *trial, *release.fallbacks):
            kept = self.path(model.digest)
            if not kept.exists():
                beside = kept.with_suffix(".copying")
                shutil.copytree(store.fetch(model.digest), beside, dirs_exist_ok=True)
                beside.rename(kept)

    def path(self, digest: str) -> Path:
        return self.root / "models" / digest

    def score(self, digest: str, columns: tuple[str, ...], rows: list[list[object]]) -> list[float]:
        """The model's predictions for `rows`; ModelCorrupt when the copy itself is damaged."""
        model = load(self.path(digest), self.public_key)
        frame = frame_of(model.manifest.input_schema, columns, rows)
        return [float(value) for value in model.predict(frame)]


def classify(
    answers: Iterable[Answer], references: Mapping[tuple[str, str], float], baselines: Mapping[int, float]
) -> list[RequestClass]:
    """The class of each answer. `references` maps (digest, row) to the expected value, `baselines` the generation."""
    return [_class_of(answer, references, baselines) for answer in answers]


def reference_answers(answers: Iterable[Answer], requests: Path, copies: ModelCopies) -> dict[tuple[str, str], float]:
    """The expected value for every (digest, row) that was answered."""
    asked: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        if answer.status == OK and answer.digest and answer.rung != BASELINE:
            asked[answer.digest].add(answer.row)
    contents = {request.row: request.content for path in requests.glob("*.ndjson") for request in read_requests(path)}
    found: dict[tuple[str, str], float] = {}
    for digest, names in asked.items():
        ordered = sorted(names)
        bodies = [orjson.loads(contents[name])["dataframe_split"] for name in ordered]
        columns, rows = tuple(bodies[0]["columns"]), [body["data"][0] for body in bodies]
        for name, value in zip(ordered, copies.score(digest, columns, rows), strict=True):
            found[digest, name] = value
    return found


def _class_of(answer: Answer, references: References, baselines: Baselines) -> RequestClass:
    if answer.status != OK or answer.error or len(answer.predictions) != 1:
        return RequestClass.FAILED
    if answer.rung == BASELINE:
        expected = baselines.get(answer.generation or 0)
    else:
        expected = references.get((answer.digest, answer.row))
    if expected is None or not abs(answer.predictions[0] - expected) <= TOLERANCE:
        return RequestClass.WRONG
    return RequestClass.DEGRADED if answer.degraded else RequestClass.GOOD
