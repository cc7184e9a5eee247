"""The load runs, and its requests are answered."""

import time
from collections.abc import Mapping
from typing import Any

from chaos import record
from chaos.lab import Lab

__all__ = ["POLL_SECONDS", "load_is_answered"]

POLL_SECONDS = 0.1


def load_is_answered(
    requests: int, deadline_seconds: float, configuration: Mapping[str, Any], further: bool = False
) -> bool:
    """Whether `requests` answers were recorded within `deadline_seconds`, all of them with 200.

    Since the start of the load, or with `further` since now.
    """
    lab = Lab.of(configuration)
    requests += len(record.answers(lab.directory)) if further else 0
    deadline = time.monotonic() + deadline_seconds
    while len(answers := record.answers(lab.directory)) < requests and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return len(answers) >= requests and all(answer.status == 200 for answer in answers)
