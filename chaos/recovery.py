"""Computes the times of a recovery from the record of a drill. Pure.

Observation is sampled, so every time is an interval, [last sample before, first sample after], in seconds of one
machine's monotonic clock. A difference of two times is an interval too. None stands for what never happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.load import Answer
from chaos.record import LedgerEntry, Sample
from chaos.reference_answers import AnswerClass

__all__ = [
    "ESCALATED",
    "FAULT_ACTIVE",
    "INDICATOR_BREACHED",
    "INDICATOR_MET",
    "LATER_FAULT_ACTIVE",
    "SERVICE_RESTORED",
    "ClassifiedAnswer",
    "Interval",
    "Timings",
    "detection",
    "fault_onset",
    "in_time",
    "onset",
    "timings_of_batch",
    "timings_of_requests",
    "unproven_faults",
]

ESCALATED = "incident.escalated"  # a kind of entry in the ledger's journal
FAULT_ACTIVE = "fault_active"
LATER_FAULT_ACTIVE = "later_fault_active"
SERVICE_RESTORED = "service_restored"
INDICATOR_BREACHED = "indicator_breached"
INDICATOR_MET = "indicator_met"
SERVED = frozenset({AnswerClass.GOOD, AnswerClass.DEGRADED})

ClassifiedAnswer = tuple[Answer, AnswerClass]


@dataclass(frozen=True, slots=True)
class Interval:
    """Something happened after `before` and not later than `after`."""

    before: float
    after: float

    def __post_init__(self) -> None:
        if self.before > self.after:
            raise ValueError(f"expected an interval that runs forward in time, found {self.before} to {self.after}")

    def since(self, earlier: "Interval") -> "Interval":
        """The time from `earlier` to this, at least and at most; not negative."""
        return Interval(max(0.0, self.before - earlier.after), max(0.0, self.after - earlier.before))


@dataclass(frozen=True, slots=True)
class Timings:
    """The six times of a drill."""

    t0: Interval | None = None  # the fault is proven active
    t1: Interval | None = None  # the indicator is breached
    t2: Interval | None = None  # the detector recorded an incident
    t3: Interval | None = None  # the first remedy started
    t4: Interval | None = None  # the indicator is back within its objective; a fallback counts
    t5: Interval | None = None  # the primary is restored and has held

    @property
    def detect(self) -> Interval | None:
        return _between(self.t0, self.t2)

    @property
    def act(self) -> Interval | None:
        return _between(self.t2, self.t3)

    @property
    def mitigate(self) -> Interval | None:
        return _between(self.t0, self.t4)

    @property
    def recover(self) -> Interval | None:
        return _between(self.t0, self.t5)


def onset(samples: Sequence[Sample], fact: str) -> Interval | None:
    """When `fact` began to hold: from the last sample without it to the first with it."""
    last_without: float | None = None
    for sample in samples:
        if sample.fact != fact:
            continue
        if sample.holds:
            return Interval(sample.at if last_without is None else last_without, sample.at)
        last_without = sample.at
    return None


def fault_onset(samples: Sequence[Sample], *, first: bool = False) -> Interval | None:
    """When all parts of the fault were proven active; with `first`, when the first one was. None while one is not.

    A later part, such as a kill while a remedy runs, does not move t0.
    """
    parts = {sample.value for sample in samples if sample.fact == FAULT_ACTIVE}
    onsets = [onset([each for each in samples if each.value == part], FAULT_ACTIVE) for part in parts]
    proven = [each for each in onsets if each is not None]
    if not proven or len(proven) < len(onsets):
        return None
    return (min if first else max)(proven, key=lambda each: each.after)


def unproven_faults(samples: Sequence[Sample]) -> list[str]:
    """The parts of the fault, later ones included, that no independent probe observed as active."""
    ours = [sample for sample in samples if sample.fact in (FAULT_ACTIVE, LATER_FAULT_ACTIVE)]
    return sorted({sample.value for sample in ours} - {sample.value for sample in ours if sample.holds})


def detection(
    entries: Sequence[LedgerEntry], causes: Sequence[str], t0: Interval
) -> tuple[Interval | None, Interval | None]:
    """t2 and t3: the first incident after the fault with one of `causes` (any when empty), and its first remedy."""
    opened = next(
        (
            entry
            for entry in entries
            if entry.kind == "incident.opened"
            and entry.at >= t0.before
            and (not causes or entry.detail.get("cause") in causes)
        ),
        None,
    )
    if opened is None:
        return None, None
    started = next(
        (
            entry
            for entry in entries
            if entry.kind == "attempt.started" and entry.subject == opened.subject and entry.at >= opened.at
        ),
        None,
    )
    return _point(opened.at), None if started is None else _point(started.at)


def in_time(answer: Answer, kind: AnswerClass, seconds_max: float) -> ClassifiedAnswer:
    """The answer with its class; a good one that took longer than `seconds_max` is degraded."""
    late = kind is AnswerClass.GOOD and answer.latency_seconds > seconds_max
    return answer, AnswerClass.DEGRADED if late else kind


def timings_of_requests(
    classified: Sequence[ClassifiedAnswer],
    samples: Sequence[Sample],
    entries: Sequence[LedgerEntry],
    *,
    causes: Sequence[str],
    slo: float,
    window_seconds: float,
    hold_seconds: float,
    from_first_fault: bool = False,
) -> Timings:
    """The times of a drill whose indicator is answered requests. `classified` is in order of completion.

    They count from the last part of the fault that was proven, or `from_first_fault`.
    """
    t0 = fault_onset(samples, first=from_first_fault)
    if t0 is None:
        return Timings()
    after = [(answer, kind) for answer, kind in classified if answer.answered_at >= t0.before]
    t1 = _first_breach(classified, t0)
    t2, t3 = detection(entries, causes, t0)
    t4 = None if t1 is None else _back_within(after, t1, slo, window_seconds)
    t5 = None if t1 is None else _restored(after, hold_seconds)
    return Timings(t0, t1, t2, t3, t4, t5)


def timings_of_batch(samples: Sequence[Sample], entries: Sequence[LedgerEntry], *, causes: Sequence[str]) -> Timings:
    """The times of a drill whose indicator is that a day's batch is in the lake; probes sampled it."""
    t0 = fault_onset(samples)
    if t0 is None:
        return Timings()
    t2, t3 = detection(entries, causes, t0)
    return Timings(
        t0, onset(samples, INDICATOR_BREACHED), t2, t3, onset(samples, INDICATOR_MET), onset(samples, SERVICE_RESTORED)
    )


def _first_breach(classified: Sequence[ClassifiedAnswer], t0: Interval) -> Interval | None:
    """From the last good answer to the first answer after the fault that was not good."""
    last_good = t0.before
    for answer, kind in classified:
        if answer.answered_at < t0.before:
            continue
        if kind is not AnswerClass.GOOD:
            return Interval(last_good, answer.answered_at)
        last_good = answer.answered_at
    return None


def _back_within(
    classified: Sequence[ClassifiedAnswer], t1: Interval, slo: float, window_seconds: float
) -> Interval | None:
    """Since when the share of served requests is at least `slo` in every window until the end.

    The window ends at each answer and reaches `window_seconds` back, not before the breach. None when the last window
    misses the objective.
    """
    since = [(answer.answered_at, kind in SERVED) for answer, kind in classified if answer.answered_at >= t1.after]
    first = 0
    served = 0
    outside: int | None = None
    for last, (at, was_served) in enumerate(since):
        served += was_served
        while since[first][0] < at - window_seconds:
            served -= since[first][1]
            first += 1
        if served < slo * (last - first + 1):
            outside = last
    if outside is None:
        return t1
    return None if outside + 1 == len(since) else Interval(since[outside][0], since[outside + 1][0])


def _restored(classified: Sequence[ClassifiedAnswer], hold_seconds: float) -> Interval | None:
    """Since when every answer is good, if that held for `hold_seconds` until the end of the record."""
    last_bad = next((i for i in range(len(classified) - 1, -1, -1) if classified[i][1] is not AnswerClass.GOOD), None)
    if last_bad is None or last_bad + 1 == len(classified):
        return None
    restored = Interval(classified[last_bad][0].answered_at, classified[last_bad + 1][0].answered_at)
    return restored if classified[-1][0].answered_at - restored.after >= hold_seconds else None


def _point(at: float) -> Interval:
    return Interval(at, at)


def _between(earlier: Interval | None, later: Interval | None) -> Interval | None:
    return None if earlier is None or later is None else later.since(earlier)
