"""What is slow in a trial: more than a multiple of the champion's p99, fixed before batches are judged."""

from typing import Protocol

from gateway.guards.window import VersionWindow
from healing.release import ModelRef

ANSWERS_MIN = 100  # of the champion, before its p99 says something
_WEIGHT_WORTH = 20  # batches that the share of traffic counts for, so long as few were judged
_SHARE_STEPS = 100


class WorkerActivity(Protocol):
    """What slowness reads of a version's workers: batches they answered, and whether their processes are warm."""

    @property
    def batches(self) -> int: ...

    @property
    def warm(self) -> bool: ...


class TimedVersion(Protocol):
    """What slowness reads of a model version."""

    @property
    def model(self) -> ModelRef: ...

    @property
    def workers(self) -> WorkerActivity: ...


class Slowness:
    """Says of each batch of a version, once, whether it was slow; None where its time is no evidence.

    Batches are slow, not requests: otherwise one stall of the machine would count once per request of the batch. The
    first batches of a process are not counted, because a new process is cold.
    """

    def __init__(self, factor: float, seconds_min: float) -> None:
        self.limit: float | None = None  # seconds
        self._factor = factor
        self._seconds_min = seconds_min
        self._batches = {True: 0, False: 0}
        self._judged: dict[str, int] = {}

    def fix(self, champion: VersionWindow) -> None:
        """Set the limit by what the champion took lately; while too little is known, the one before stays."""
        if champion.answers >= ANSWERS_MIN:
            self.limit = max(self._factor * champion.latency_p99_seconds(), self._seconds_min)

    def exceeded(self, seconds: float) -> bool:
        return self.limit is not None and seconds > self.limit

    def judge(self, version: TimedVersion, seconds: float, *, challenger: bool, under_way: bool = False) -> bool | None:
        """Whether the batch that the version answered last was slow, or the one that it has not answered yet."""
        batch, digest = version.workers.batches + under_way, version.model.digest
        if self.limit is None or not version.workers.warm or self._judged.get(digest) == batch:
            return None
        self._judged[digest] = batch
        self._batches[challenger] += 1
        return seconds > self.limit

    def share(self, weight: float) -> float:
        """The challenger's share of the batches of this stage: they are fewer and fuller where traffic is dense."""
        challenger = self._batches[True] + _WEIGHT_WORTH * weight
        share = challenger / (sum(self._batches.values()) + _WEIGHT_WORTH)
        return min(max(round(share * _SHARE_STEPS), 1), _SHARE_STEPS - 1) / _SHARE_STEPS

    def begin_stage(self) -> None:
        """Count batches anew: the shares of traffic are others."""
        self._batches = {True: 0, False: 0}
