"""A circuit breaker as a value: after several failures in a row, an endpoint is not called for a while.

Closed: every call is allowed. Open: no call is allowed until `open_seconds` have passed. Then one call, the probe, is
allowed. Its success closes the circuit, its failure opens it again. Times are seconds on the caller's clock.
"""

from dataclasses import dataclass, replace

FAILURES_MAX = 5  # a short problem causes one or two; five in a row have lasted longer than the retries of one batch
OPEN_SECONDS = 60.0  # long enough for a restart, short enough not to delay a daily feed noticeably


@dataclass(frozen=True, slots=True)
class Circuit:
    """The recorded failures of one endpoint. `opened_at` and `probed_at` are None while they do not apply."""

    failures: int = 0
    opened_at: float | None = None
    probed_at: float | None = None

    @property
    def closed(self) -> bool:
        return self.opened_at is None

    def waits(self, now: float, open_seconds: float = OPEN_SECONDS) -> float:
        """Seconds until a call is allowed; 0 if one is allowed now.

        A time in the future counts as long past, so that a clock that was set back does not keep the circuit open for
        longer. After a probe without a result (its process was killed), the next one is allowed after `open_seconds`.
        """
        since = self.probed_at if self.probed_at is not None else self.opened_at
        if since is None or since > now:
            return 0.0
        return max(0.0, open_seconds - (now - since))

    def admitted(self, now: float) -> "Circuit":
        """The circuit after a call was allowed. If it is open, that call is the probe."""
        return self if self.closed else replace(self, probed_at=now)

    def failed(self, now: float, failures_max: int = FAILURES_MAX) -> "Circuit":
        """The circuit after a failed call."""
        failures = self.failures + 1
        if failures < failures_max and self.closed:
            return Circuit(failures)
        return Circuit(failures, opened_at=now)

    def succeeded(self) -> "Circuit":
        """The circuit after a successful call."""
        return Circuit()
