"""The classes of what a request passes through. With traces, each is a subclass that makes spans; else none does."""

from typing import NamedTuple

from gateway.batching.batcher import Batcher
from gateway.log.predictions import PredictionLog
from gateway.routing.ladder import Ladder


class RequestParts(NamedTuple):
    """A gateway builds its parts from these."""

    log: type[PredictionLog] = PredictionLog
    ladder: type[Ladder] = Ladder
    batcher: type[Batcher] = Batcher
