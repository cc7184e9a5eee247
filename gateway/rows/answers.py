"""The answer of a model with several outputs to one row."""

from collections.abc import Sequence


class RowAnswer(float):
    """The value of a row, with all outputs of the model beside it.

    It is a number wherever only the value matters: in queues, guards and trials, which then need not know how many
    outputs a model has.
    """

    __slots__ = ("outputs",)
    outputs: Sequence[float]

    def __new__(cls, value: float, outputs: Sequence[float]) -> "RowAnswer":
        answer = super().__new__(cls, value)
        answer.outputs = outputs
        return answer


def outputs_of(values: Sequence[float]) -> list[Sequence[float]]:
    """The outputs of each row; empty where a model has one number per row."""
    return [value.outputs for value in values if isinstance(value, RowAnswer)]
