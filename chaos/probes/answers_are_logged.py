"""Every answer of the load is in the gateway's prediction log."""

from collections.abc import Mapping
from typing import Any

import orjson

from chaos import http, record
from chaos.lab import Lab

__all__ = ["UNLOGGED", "answers_are_logged"]

UNLOGGED = "unlogged"  # where the record of a drill keeps how many answers are not in the log
PAGE_ROWS = 10_000


def answers_are_logged(configuration: Mapping[str, Any]) -> bool:
    """Whether the log has an entry for each request that was answered with 200. The number of others is recorded."""
    lab = Lab.of(configuration)
    missing = {answer.request_id for answer in record.answers(lab.directory) if answer.status == 200}
    after = 0
    while missing:
        page = http.get(f"{lab.operate}/predictions?after={after}&limit={PAGE_ROWS}").raise_for_status().content
        entries = [orjson.loads(line) for line in page.splitlines()]
        if not entries:
            break
        missing -= {entry["request_id"] for entry in entries}
        after = entries[-1]["seq"]
    record.remember(lab.directory, UNLOGGED, len(missing))
    return not missing
