"""A circuit breaker, as a value: after some failures in a row an endpoint is left alone, then probed once.

Closed: every call goes through. Open: none does, until `open_seconds` have passed. Then one call, the probe, goes
through; its success closes the circuit, its failure opens it anew. Times are seconds of one clock, the caller's.
"""

from dataclasses import dataclass, replace

FAILURES_MAX = 5  # a stumble costs one or two; five in a row have outlived a batch's own tries
OPEN_SECONDS = 60.0  # long enough for a restart, short enough that nobody notices the delay of a daily feed


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is remembered of one endpoint. `opened_at` and `probed_at` are None while they do not apply."""

    failures: int = 0
    opened_at: float | None = None
    probed_at: float | None = None

    @property
    def closed(self) -> bool:
        return self.opened_at is None

    def waits(self, now: float, open_seconds: float = OPEN_SECONDS) -> float:
        """Seconds until a call may go through; 0 when it may now.

        A clock that was set back must not keep the circuit open for longer than its time, so a moment in the future
        counts as long past. A probe that never reported (its process was killed) holds others up as long as an opening.
        """
        since = self.probed_at if self.probed_at is not None else self.opened_at
        if since is None or since > now:
            return 0.0
        return max(0.0, open_seconds - (now - since))

    def admitted(self, now: float) -> "Circuit":
        """After a call was let through: when the circuit is open, that call is the probe."""
        return self if self.closed else replace(self, probed_at=now)

    def failed(self, now: float, failures_max: int = FAILURES_MAX) -> "Circuit":
        """After a call failed."""
        failures = self.failures + 1
        if failures < failures_max and self.closed:
            return Circuit(failures)
        return Circuit(failures, opened_at=now)

    def succeeded(self) -> "Circuit":
        """After a call was answered."""
        return Circuit()
