"""Features of a logged request, as far as the gateway logged them: some are hashed, some are not logged at all."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

_HASH = "hash"


class NotLogged(Enum):
    """The value of a column that the log does not have: dropped, not sampled, or not read by the version."""

    VALUE = "not logged"


@dataclass(frozen=True, slots=True)
class HashedValue:
    """A value of which the log has only a keyed code; equal values of a column have equal codes."""

    code: str

    def __str__(self) -> str:
        return f"hash {self.code}"


class LoggedFeatures:
    """The features of one logged row."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, Any] = json.loads(text)

    def value(self, column: str) -> Any:
        """The value, None if it is missing, a `HashedValue`, or `NotLogged.VALUE`."""
        value = self._values.get(column, NotLogged.VALUE)
        return HashedValue(value[_HASH]) if isinstance(value, dict) else value

    def unobserved(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns whose value the log does not have; a model cannot predict this row if it reads one of them."""
        return tuple(name for name in columns if isinstance(self._values.get(name, NotLogged.VALUE), (dict, NotLogged)))

    def values(self, columns: Sequence[str]) -> list[Any]:
        return [self._values[name] for name in columns]
