import math

import pytest

from chaos.load import Answer
from chaos.reference_answers import AnswerClass, ReferenceAnswers

REFERENCE = ReferenceAnswers(answers={"a": {"0": (0.25,)}, "b": {"0": (0.5,)}}, baselines=(0.2,))


def answer(**changes):
    given = {"status": 200, "predictions": (0.25,), "digest": "a", "rung": "champion"}
    return Answer(index=0, row="0", intended_at=0.0, sent_at=0.0, answered_at=0.1, **{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, AnswerClass.GOOD),
        ({"rung": "challenger", "digest": "b", "predictions": (0.5,)}, AnswerClass.GOOD),
        ({"rung": "fallback", "digest": "b", "predictions": (0.5,)}, AnswerClass.DEGRADED),
        ({"degraded": True}, AnswerClass.DEGRADED),
        ({"rung": "baseline", "degraded": True, "predictions": (0.2,)}, AnswerClass.DEGRADED),
        ({"rung": "baseline", "degraded": True, "predictions": (0.3,)}, AnswerClass.WRONG),
        ({"predictions": (0.26,)}, AnswerClass.WRONG),
        ({"predictions": (0.5,)}, AnswerClass.WRONG),  # another model's answer under this model's name
        ({"predictions": (math.nan,)}, AnswerClass.WRONG),
        ({"predictions": (0.25, 0.25)}, AnswerClass.WRONG),
        ({"digest": "unknown"}, AnswerClass.UNVERIFIED),
        ({"status": 503, "predictions": (), "error": "busy"}, AnswerClass.FAILED),
        ({"status": None, "predictions": (), "error": "ConnectError"}, AnswerClass.FAILED),
        ({"predictions": ()}, AnswerClass.FAILED),
    ],
)
def test_an_answer_is_judged_by_the_model_that_it_names(changes, kind):
    assert REFERENCE.classify(answer(**changes)) is kind
