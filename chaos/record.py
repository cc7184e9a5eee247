"""The record of a drill, written while it happens and judged afterwards.

Lines of JSON: `samples.jsonl` for the facts that probes sampled, `answers.jsonl` for the answers to the load,
`ledger.jsonl` for the journal of the system under test. A killed drill leaves its record up to that moment.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from chaos.load import Answer, read_answers
from chaos.load.answer import Exchange, decode, to_line

__all__ = [
    "ANSWERS",
    "LEDGER",
    "SAMPLES",
    "AnswerLog",
    "LedgerEntry",
    "Sample",
    "answers",
    "entries",
    "keep_entries",
    "recall",
    "remember",
    "sample",
    "samples",
]

SAMPLES = "samples.jsonl"
ANSWERS = "answers.jsonl"
LEDGER = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """Whether a fact held at one moment. `at` is in seconds of the machine's monotonic clock."""

    fact: str
    at: float
    holds: bool
    value: str = ""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of the system's own journal. `at` is when it was written, on the same monotonic clock."""

    at: float
    kind: str
    subject: str
    detail: dict[str, Any] = field(default_factory=dict)


def remember(directory: Path, name: str, value: Any) -> None:
    """Store a value for a later step of the drill: Chaos Toolkit passes nothing between steps."""
    (directory / f"{name}.json").write_bytes(orjson.dumps(value))


def recall(directory: Path, name: str) -> Any:
    """The value that an earlier step stored; FileNotFoundError when there is none."""
    return orjson.loads((directory / f"{name}.json").read_bytes())


def sample(directory: Path, fact: str, *, holds: bool, value: object = "") -> bool:
    """Record whether `fact` holds now; return `holds`."""
    _append(directory / SAMPLES, [asdict(Sample(fact, time.monotonic(), holds, str(value)))])
    return holds


def keep_entries(directory: Path, entries: Iterable[LedgerEntry]) -> None:
    """Add entries of the system's own journal to the record."""
    _append(directory / LEDGER, [asdict(entry) for entry in entries])


class AnswerLog:
    """Appends answers; each line is written at once, so a killed load leaves a readable file."""

    def __init__(self, directory: Path) -> None:
        self._file = (directory / ANSWERS).open("ab", buffering=0)

    def __call__(self, exchange: Exchange) -> None:
        self._file.write(to_line(decode(exchange)))

    def close(self) -> None:
        self._file.close()


def samples(directory: Path) -> list[Sample]:
    return [Sample(**line) for line in _lines(directory / SAMPLES)]


def answers(directory: Path) -> list[Answer]:
    """The answers in order of completion."""
    return sorted(read_answers(directory / ANSWERS), key=lambda answer: answer.answered_at)


def entries(directory: Path) -> list[LedgerEntry]:
    return [LedgerEntry(**line) for line in _lines(directory / LEDGER)]


def _append(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines; a last line that a kill cut off is left out."""
    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
