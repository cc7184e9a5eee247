"""What a model answers per row: a probability, a label, the probabilities of all classes, one value or several."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

OutputKind = Literal["probability", "label", "probabilities", "value", "values"]
Name = str | int | float
_MATRICES = frozenset({"probabilities", "values"})


class Output(BaseModel):
    """The output part of a model's signature. `names` are the classes in the model's order, or the outputs.

    Each row also has one number, its *value*, which the prediction log, the guards and the evaluation use: the
    probability of the second class, the label, the most probable label, the value, or the first of several values. The
    value of a label that is text is its position in `names`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: OutputKind
    names: tuple[Name, ...] = Field(default=(), max_length=10_000)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        least = {"label": 2, "probabilities": 2, "values": 1}.get(self.kind, 0)
        if len(self.names) < least or len(set(self.names)) != len(self.names):
            raise ValueError(f"an output of kind {self.kind!r} has at least {least} names, all different")
        return self

    @property
    def width(self) -> int:
        """Numbers per row beside the value; 0 where the value is the whole answer."""
        return len(self.names) if self.kind in _MATRICES else 0

    @property
    def is_plain(self) -> bool:
        """Whether a client gets the value as it is."""
        return self.kind in ("probability", "value")

    @property
    def has_numbers(self) -> bool:
        """Whether the names are numbers, so that a label is its own value."""
        return all(type(name) is not str for name in self.names)

    def value_of(self, label: Name) -> float | None:
        """The value of a label; None where it is none of the classes."""
        if label not in self.names:
            return None
        return float(label) if self.has_numbers else float(self.names.index(label))

    def shown(self, values: Sequence[float], outputs: Sequence[Sequence[float]]) -> list[Any]:
        """What a client gets for each row: numbers, labels, or one list per row; `outputs` has `width` numbers per row.

        A value that stands for no label is shown as null.
        """
        if self.width:
            return [list(row) for row in outputs]
        if self.kind != "label":
            return list(values)
        if self.has_numbers:
            shown = {float(name): name for name in self.names}
            return [shown.get(value) for value in values]
        return [self.names[int(value)] if 0 <= value < len(self.names) else None for value in values]
