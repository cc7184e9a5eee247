"""How long a source is asked before the next one is: the only layer that tries anything again."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import stamina

from healing.errors import CircuitOpen, Looping, NotData, NotServed, Oversized, SourceUnavailable
from tasks.config.sources_section import Endpoint

T = TypeVar("T")

# The same question gets the same answer at once: the source has spoken, or a breaker spares it.
_FINAL = (NotServed, NotData, Oversized, Looping, CircuitOpen)


class Breaker(Protocol):
    """Lets calls through or not, and learns from how they went."""

    @property
    def closed(self) -> bool: ...

    def admit(self) -> None: ...

    def failed(self) -> None: ...

    def succeeded(self) -> None: ...


class Deadline:
    """The moment by which a whole batch must have come."""

    def __init__(self, source: str, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, 0 when it has passed."""
        return max(0.0, self._until - time.monotonic())

    def check(self) -> None:
        """SourceUnavailable when the moment has passed."""
        if not self.left:
            raise SourceUnavailable(
                f"source {self._source}: expected a whole batch within {self._seconds:g} s, and it is still coming; "
                "raise batch_seconds if it is that large"
            )


class Patience:
    """Asks one endpoint: a few times, with growing and random waits, while its circuit is closed."""

    def __init__(self, endpoint: Endpoint, breaker: Breaker) -> None:
        self.answered = False  # the endpoint has, since this was made
        self._endpoint = endpoint
        self._breaker = breaker

    @property
    def trusted(self) -> bool:
        """Whether the endpoint may be asked several things at once: an open circuit allows one probe."""
        return self._breaker.closed

    def deadline(self) -> Deadline:
        """For one batch that starts now."""
        return Deadline(self._endpoint.name, self._endpoint.batch_seconds)

    def ask(self, once: Callable[[], T], deadline: Deadline) -> T:
        """What `once` returns, asked again after a failure that may pass; SourceUnavailable after the last."""
        deadline.check()
        for attempt in stamina.retry_context(
            on=_may_pass,
            attempts=self._endpoint.attempts,
            timeout=min(self._endpoint.patience_seconds, deadline.left),
            wait_initial=0.1,
            wait_max=1.0,
            wait_jitter=0.1,
        ):
            with attempt:
                return self._try(once)
        raise AssertionError("unreachable: stamina returns or raises")  # pragma: no cover

    def _try(self, once: Callable[[], T]) -> T:
        self._breaker.admit()
        try:
            found = once()
        except NotServed:
            self.answered = True
            self._breaker.succeeded()
            raise
        except SourceUnavailable:
            self._breaker.failed()
            raise
        self.answered = True
        self._breaker.succeeded()
        return found


def _may_pass(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(error, _FINAL)
