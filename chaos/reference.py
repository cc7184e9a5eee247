"""Reference answers: what each model says about each row, asked before anything is broken."""

import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from chaos.load import Answer

REFERENCE = "reference.json"
TOLERANCE = 1e-9  # absolute; JSON carries a float64 exactly, so this only allows for another order of summation
BELOW_CHAMPION = frozenset({"fallback", "baseline"})


class AnswerClass(StrEnum):
    """What an answer was worth to the one who asked."""

    GOOD = "good"
    DEGRADED = "degraded"  # right, from a fallback
    FAILED = "failed"  # no answer
    WRONG = "wrong"  # an answer that the model it names does not give
    UNVERIFIED = "unverified"  # an answer of a model that could not be asked for reference


class Reference(BaseModel):
    """`answers[digest][row]` are that model's predictions for that row; `baselines` the answers of last resort."""

    model_config = ConfigDict(frozen=True)

    answers: Mapping[str, Mapping[str, tuple[float, ...]]]
    baselines: tuple[float, ...] = ()

    @classmethod
    def read(cls, directory: Path) -> "Reference":
        """The reference answers of a drill; an empty reference when none were asked for."""
        path = directory / REFERENCE
        return cls.model_validate_json(path.read_bytes()) if path.exists() else cls(answers={})

    def write(self, directory: Path) -> None:
        (directory / REFERENCE).write_text(self.model_dump_json(), encoding="utf-8")

    def classify(self, answer: Answer) -> AnswerClass:
        """Judge one answer against what the model that it names would say."""
        if answer.status != 200 or answer.error or not answer.predictions:
            return AnswerClass.FAILED
        if answer.rung == "baseline":
            right = all(any(_same(given, each) for each in self.baselines) for given in answer.predictions)
            return AnswerClass.DEGRADED if right else AnswerClass.WRONG
        expected = self.answers.get(answer.digest, {}).get(answer.row)
        if expected is None:
            return AnswerClass.UNVERIFIED
        if len(expected) != len(answer.predictions) or not all(map(_same, answer.predictions, expected)):
            return AnswerClass.WRONG
        below = answer.degraded or answer.rung in BELOW_CHAMPION
        return AnswerClass.DEGRADED if below else AnswerClass.GOOD


def _same(given: float, expected: float) -> bool:
    return math.isclose(given, expected, rel_tol=0.0, abs_tol=TOLERANCE)
