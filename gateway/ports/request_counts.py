"""Requests since the start, by how they ended."""

from collections import Counter

from gateway.reporting.histogram import LATENCY_SECONDS, Histogram
from gateway.routing.request import Rung
from gateway.wire.protocol import ProtocolName


class RequestCounts:
    """Requests since the start, by how they ended. Only the event loop's thread counts."""

    def __init__(self) -> None:
        self.answered: Counter[Rung] = Counter()
        self.protocols: Counter[ProtocolName] = Counter()
        self.refused: Counter[int] = Counter()
        self.rows = 0
        self.durations = Histogram(LATENCY_SECONDS)

    def answer(self, protocol: ProtocolName, rung: Rung, rows: int, seconds: float) -> None:
        """Take an answered request, from its whole body read to its answer logged."""
        self.answered[rung] += 1
        self.protocols[protocol] += 1
        self.rows += rows
        self.durations.observe(seconds)

    def refuse(self, status: int) -> None:
        """Take a request that was not answered."""
        self.refused[status] += 1
