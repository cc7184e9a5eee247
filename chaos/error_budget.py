"""The requests that a drill may cost: it is aborted when more of them fail."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import orjson

from chaos.record import ANSWERS

__all__ = ["REQUESTS_MAX", "ErrorBudget"]

REQUESTS_MAX = 1000  # beyond what the drill itself lets fail; a drill that fails is over long before


@dataclass(slots=True)
class ErrorBudget:
    """Counts failed requests in the record of a drill while it runs; `requests_max` of them may fail."""

    directory: Path
    requests_max: int
    failed: int = 0
    _offset: int = 0

    def is_spent(self) -> bool:
        """Whether more requests have failed than may, by the answers that were recorded until now."""
        try:
            with (self.directory / ANSWERS).open("rb") as file:
                file.seek(self._offset)
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:  # no request was answered yet
            return False
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._offset += len(line)
            self.failed += orjson.loads(line)["status"] != HTTPStatus.OK
        return self.failed > self.requests_max
