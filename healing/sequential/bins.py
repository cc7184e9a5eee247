"""Ten bins over a model's answers to its reference rows; each is expected to get a tenth of its live answers."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

BINS = 10


class ReferenceBins:
    """Bins between the deciles (0, 10 … 100 %, eleven numbers in ascending order) of a model's reference answers.

    A model with few different answers has equal deciles. Then the bin that begins with them has their share, and the
    bins between equal deciles are empty.
    """

    def __init__(self, deciles: Sequence[float]) -> None:
        if len(deciles) != BINS + 1 or any(low > high for low, high in pairwise(deciles)):
            raise ValueError(f"expected {BINS + 1} deciles in ascending order, found {list(deciles)}")
        self._edges = tuple(deciles[1:-1])

    def place(self, answer: float) -> int:
        """The bin of an answer, 0 to 9; answers outside the reference are in the outermost bins."""
        return bisect_right(self._edges, answer)

    def expected_share(self, place: int) -> float:
        """The share of reference answers in a bin: a tenth per decile equal to its lower edge."""
        if place == 0:
            return 1 / BINS
        edge = self._edges[place - 1]
        if bisect_right(self._edges, edge) != place:
            return 0.0
        return self._edges.count(edge) / BINS

    def span(self, place: int) -> str:
        """The bin's range of answers, as text."""
        low = f"from {self._edges[place - 1]:.4g}" if place else ""
        high = f"below {self._edges[place]:.4g}" if place < BINS - 1 else ""
        return " ".join(part for part in (low, high) if part)
