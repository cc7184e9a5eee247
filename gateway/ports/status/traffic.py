"""Traffic over the last half hour: requests per version, degraded and failed ones, and latency, sampled regularly."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.ports.state import GatewayState  # which has a history

SAMPLE_SECONDS = 5.0
SAMPLES_KEPT = 360  # half an hour
RATE_SAMPLES = 6  # of the rates that are called current: half a minute
_VERSIONS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class TrafficSample:
    """What happened in the seconds before `at` (Unix time). `answered` maps a version to its answers."""

    at: float
    seconds: float
    answered: dict[str, int]
    errors: dict[str, int]
    baseline: int
    degraded: int
    failed: int
    p50_seconds: float | None
    p99_seconds: float | None


class TrafficHistory:
    """Samples of one gateway since its start; only the event loop's thread takes and captures them."""

    def __init__(self, state: "GatewayState") -> None:
        self._state = state
        self._samples: deque[TrafficSample] = deque(maxlen=SAMPLES_KEPT)
        self._before: dict[tuple[str, str], int] = {}
        self._taken_at = time.monotonic()

    def sample(self) -> None:
        """Take one sample: what was counted since the one before."""
        now, totals = time.monotonic(), self._totals()
        counted = {key: max(0, value - self._before.get(key, 0)) for key, value in totals.items()}
        champion = None if self._state.active is None else self._state.active.champion.window.lately()
        self._samples.append(
            TrafficSample(
                at=time.time(),
                seconds=max(now - self._taken_at, 1e-3),
                answered={digest: value for (kind, digest), value in counted.items() if kind == "answered" and value},
                errors={digest: value for (kind, digest), value in counted.items() if kind == "errors" and value},
                baseline=counted["baseline", ""],
                degraded=counted["degraded", ""],
                failed=counted["failed", ""],
                p50_seconds=None if champion is None else champion.latency_p50_seconds,
                p99_seconds=None if champion is None else champion.latency_p99_seconds,
            )
        )
        self._before, self._taken_at = totals, now

    def _totals(self) -> dict[tuple[str, str], int]:
        """Everything counted since the start, by kind and version."""
        totals, counts = self._state.requests.totals, self._state.requests.counts
        found = {
            ("degraded", ""): totals.degraded,
            ("failed", ""): totals.failed,
            ("baseline", ""): sum(count for rung, count in counts.answered.items() if rung.value == "baseline"),
        }
        for version in self._state.versions:
            found["answered", version.model.digest] = version.window.answered_total
            found["errors", version.model.digest] = version.window.failed_total
        return found

    def capture(self) -> "TrafficWindow":
        """The samples so far, for a thread that makes a document of them."""
        return TrafficWindow(tuple(self._samples), tuple(each.model.digest for each in self._state.versions))


@dataclass(frozen=True, slots=True)
class TrafficWindow:
    """Samples, oldest first, and the digests of the versions that are loaded."""

    samples: tuple[TrafficSample, ...]
    loaded: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The samples as columns, with one row per version that answered or is loaded."""
        samples = self.samples
        versions = [self._version(digest, samples) for digest in self._digests(samples)]
        return {
            "sample_seconds": SAMPLE_SECONDS,
            "at": [round(sample.at, 1) for sample in samples],
            "versions": versions,
            "baseline": [_rate(sample.baseline, sample) for sample in samples],
            "degraded": [_rate(sample.degraded, sample) for sample in samples],
            "failed": [_rate(sample.failed, sample) for sample in samples],
            "p50_seconds": [sample.p50_seconds for sample in samples],
            "p99_seconds": [sample.p99_seconds for sample in samples],
            "window": _window(samples),
            "now": _window(samples[-RATE_SAMPLES:]),
        }

    def _digests(self, samples: Sequence[TrafficSample]) -> list[str]:
        """Loaded versions first, then those that answered and are gone, the latest first."""
        gone = dict.fromkeys(digest for sample in reversed(samples) for digest in sample.answered)
        return [*self.loaded, *(digest for digest in gone if digest not in self.loaded)][:_VERSIONS_SHOWN]

    def _version(self, digest: str, samples: Sequence[TrafficSample]) -> dict[str, Any]:
        answered = [sample.answered.get(digest, 0) for sample in samples]
        recent = samples[-RATE_SAMPLES:]
        errors = sum(sample.errors.get(digest, 0) for sample in samples)
        return {
            "digest": digest,
            "rates": [_rate(count, sample) for count, sample in zip(answered, samples, strict=True)],
            "requests": sum(answered),
            "errors": errors,
            "asked": sum(answered) + errors,
            "rate_now": _mean_rate(sum(answered[-RATE_SAMPLES:]), recent),
        }


def _window(samples: Sequence[TrafficSample]) -> dict[str, Any]:
    """Counts over some samples."""
    answered = sum(sum(sample.answered.values()) + sample.baseline for sample in samples)
    degraded, failed = sum(s.degraded for s in samples), sum(s.failed for s in samples)
    return {
        "seconds": round(sum(sample.seconds for sample in samples), 1),
        "requests": answered + failed,
        "good": max(0, answered - degraded),
        "degraded": degraded,
        "failed": failed,
        "rate": _mean_rate(answered + failed, samples),
    }


def _rate(count: int, sample: TrafficSample) -> float:
    return round(count / sample.seconds, 2)


def _mean_rate(count: int, samples: Sequence[TrafficSample]) -> float:
    seconds = sum(sample.seconds for sample in samples)
    return round(count / seconds, 2) if seconds else 0.0
