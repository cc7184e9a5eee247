"""Reference answers of each model, collected before the fault, and the classes of later answers."""

import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from chaos.load import Answer

__all__ = ["REFERENCE", "TOLERANCE", "AnswerClass", "ReferenceAnswers"]

REFERENCE = "reference.json"
TOLERANCE = 1e-9  # absolute; JSON carries a float64 exactly, so this only allows for another order of summation
BELOW_CHAMPION = frozenset({"fallback", "baseline"})


class AnswerClass(StrEnum):
    """The quality of one answer, as its client sees it."""

    GOOD = "good"
    DEGRADED = "degraded"  # correct, from a fallback
    FAILED = "failed"  # no answer
    WRONG = "wrong"  # differs from what the model that it names answers
    UNVERIFIED = "unverified"  # from a model without reference answers


class ReferenceAnswers(BaseModel):
    """`answers[digest][row]` are that model's predictions for that row; `baselines` the baseline answers."""

    model_config = ConfigDict(frozen=True)

    answers: Mapping[str, Mapping[str, tuple[float, ...]]]
    baselines: tuple[float, ...] = ()

    @classmethod
    def read(cls, directory: Path) -> "ReferenceAnswers":
        """The reference answers of a drill; empty when it collected none."""
        path = directory / REFERENCE
        return cls.model_validate_json(path.read_bytes()) if path.exists() else cls(answers={})

    def write(self, directory: Path) -> None:
        (directory / REFERENCE).write_text(self.model_dump_json(), encoding="utf-8")

    def classify(self, answer: Answer) -> AnswerClass:
        """Compare one answer with the reference answer of the model that it names."""
        if answer.status != 200 or answer.error or not answer.predictions:
            return AnswerClass.FAILED
        if answer.rung == "baseline":
            as_expected = all(any(_same(given, each) for each in self.baselines) for given in answer.predictions)
            return AnswerClass.DEGRADED if as_expected else AnswerClass.WRONG
        expected = self.answers.get(answer.digest, {}).get(answer.row)
        if expected is None:
            return AnswerClass.UNVERIFIED
        if len(expected) != len(answer.predictions) or not all(map(_same, answer.predictions, expected)):
            return AnswerClass.WRONG
        below = answer.degraded or answer.rung in BELOW_CHAMPION
        return AnswerClass.DEGRADED if below else AnswerClass.GOOD


def _same(given: float, expected: float) -> bool:
    return math.isclose(given, expected, rel_tol=0.0, abs_tol=TOLERANCE)
