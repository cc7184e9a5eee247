"""Records of drills in shorthand, for tests of the pure checkers."""

from chaos.load import Answer
from chaos.record import LedgerEntry, Sample
from chaos.recovery import ClassifiedAnswer
from chaos.reference_answers import AnswerClass


def classified(*moments: tuple[float, str]) -> list[ClassifiedAnswer]:
    """Answers by moment and class, e.g. (1.0, "good")."""
    return [
        (Answer(index, "0", at, at, at, 200), AnswerClass(kind)) for index, (at, kind) in enumerate(sorted(moments))
    ]


def steady(start: float, end: float, kind: str, every: float = 0.1) -> list[tuple[float, str]]:
    """One answer of a class every 0.1 s in [start, end)."""
    return [(round(start + i * every, 3), kind) for i in range(round((end - start) / every))]


def fault(*moments: tuple[float, bool], part: str = "worker killed") -> list[Sample]:
    return [Sample("fault_active", at, holds, part) for at, holds in moments]


def opened(at: float, incident: str, cause: str) -> LedgerEntry:
    return LedgerEntry(at, "incident.opened", incident, {"cause": cause, "subject": "digest"})


def started(at: float, incident: str) -> LedgerEntry:
    return LedgerEntry(at, "attempt.started", incident, {"remedy": "rollback"})
