"""Retries of requests to one source, bounded in attempts and time. No other layer repeats a request."""

import time
from collections.abc import Callable
from typing import TypeVar

import stamina

from healing.errors import CircuitOpen, Looping, NotData, NotServed, Oversized, SourceUnavailable
from tasks.config.sources_section import Endpoint
from tasks.ingestion.sources.circuit import StoredCircuit

T = TypeVar("T")

# The same request would get the same answer at once, or the circuit would refuse it.
_FINAL = (NotServed, NotData, Oversized, Looping, CircuitOpen)


class Deadline:
    """The time until which a whole batch must have arrived."""

    def __init__(self, source: str, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """0 when the deadline has passed."""
        return max(0.0, self._until - time.monotonic())

    def check(self) -> None:
        """SourceUnavailable when the deadline has passed."""
        if not self.seconds_left:
            raise SourceUnavailable(
                f"source {self._source}: expected a whole batch within {self._seconds:g} s, found it incomplete; "
                "raise batch_seconds if it is that large"
            )


class Retrier:
    """Calls one source a few times, with growing and random waits, while its circuit is closed."""

    def __init__(self, endpoint: Endpoint, circuit: StoredCircuit) -> None:
        self.answered = False  # whether the source has answered since this was created
        self._endpoint = endpoint
        self._circuit = circuit

    @property
    def circuit_closed(self) -> bool:
        """Whether several requests may be made at once; an open circuit admits one probe."""
        return self._circuit.closed

    def deadline(self) -> Deadline:
        """The deadline of a batch that starts now."""
        return Deadline(self._endpoint.name, self._endpoint.batch_seconds)

    def call(self, once: Callable[[], T], deadline: Deadline) -> T:
        """What `once` returns, called again after a failure that may be temporary; SourceUnavailable after the last."""
        deadline.check()
        for attempt in stamina.retry_context(
            on=_is_temporary,
            attempts=self._endpoint.attempts,
            timeout=min(self._endpoint.patience_seconds, deadline.seconds_left),
            wait_initial=0.1,
            wait_max=1.0,
            wait_jitter=0.1,
        ):
            with attempt:
                return self._attempt(once)
        raise AssertionError("unreachable: stamina returns or raises")  # pragma: no cover

    def _attempt(self, once: Callable[[], T]) -> T:
        self._circuit.admit()
        try:
            found = once()
        except NotServed:
            self.answered = True
            self._circuit.succeeded()
            raise
        except SourceUnavailable:
            self._circuit.failed()
            raise
        self.answered = True
        self._circuit.succeeded()
        return found


def _is_temporary(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(error, _FINAL)
