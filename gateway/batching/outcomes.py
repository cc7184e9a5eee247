"""How the question to one version ended: the six outcomes that accounting distinguishes.

Only `Silent` and `Crashed` are failures of the version itself. `RowRefused` is a statement about rows, `Busy` and
`GaveUp` are statements about time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Answered(NamedTuple):
    """One finite value per row, in the order of the rows. The only outcome that is made for nearly every request."""

    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class RowRefused:
    """The version computed the batch, and has no number for at least one of these rows."""

    message: str


@dataclass(frozen=True, slots=True)
class Silent:
    """The version did not answer a batch within its deadline. `first` holds for one request of that batch only."""

    message: str
    first: bool


@dataclass(frozen=True, slots=True)
class Crashed:
    """The version ended on a batch or answered something unusable. `first` holds for one request of that batch only."""

    message: str
    first: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """The rows were not sent to the model. `overloaded` holds where they waited longer than the queue may be."""

    message: str
    overloaded: bool = False


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The client's own deadline came, or it hung up, before the version answered."""

    message: str


Unanswered = RowRefused | Silent | Crashed | Busy | GaveUp
Outcome = Answered | Unanswered
