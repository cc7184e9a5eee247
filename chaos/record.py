"""What a drill saw, written down as it happens: record first, judge afterwards.

Lines of JSON, appended: `samples.jsonl` for facts sampled by probes, `answers.jsonl` for the load's answers,
`ledger.jsonl` for what the system under test wrote itself. A killed drill leaves what it saw until then.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from chaos.load import Answer, read_answers
from chaos.load.answer import Exchange, decode, to_line

SAMPLES = "samples.jsonl"
ANSWERS = "answers.jsonl"
LEDGER = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """Whether a fact held at a moment. `at` is seconds of the machine's monotonic clock."""

    fact: str
    at: float
    holds: bool
    value: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the system's own journal: the moment is its writer's, on the same monotonic clock."""

    at: float
    kind: str
    subject: str
    detail: dict[str, Any] = field(default_factory=dict)


def remember(directory: Path, name: str, value: Any) -> None:
    """Keep what one step of the drill leaves for a later one: Chaos Toolkit hands nothing from step to step."""
    (directory / f"{name}.json").write_bytes(orjson.dumps(value))


def recall(directory: Path, name: str) -> Any:
    """What an earlier step left; FileNotFoundError when it left nothing."""
    return orjson.loads((directory / f"{name}.json").read_bytes())


def sample(directory: Path, fact: str, *, holds: bool, value: object = "") -> bool:
    """Record that `fact` holds, or does not, now; return `holds`."""
    _append(directory / SAMPLES, [asdict(Sample(fact, time.monotonic(), holds, str(value)))])
    return holds


def keep_entries(directory: Path, entries: Iterable[Entry]) -> None:
    """Write the system's own journal beside what we saw."""
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


def entries(directory: Path) -> list[Entry]:
    return [Entry(**line) for line in _lines(directory / LEDGER)]


def _append(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines; a last one that was cut off by a kill is left out."""
    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
