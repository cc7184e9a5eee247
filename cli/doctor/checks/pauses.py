"""Pipelines that are paused, and remedies that a drill has disabled."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from cli.doctor.examined import Examined, warning
from cli.doctor.finding import Finding
from tasks.ledger import schema
from tasks.ledger.journal import Journal
from tasks.ledger.pauses import current_pause
from tasks.runtime.disabled_remedies import FOLDER

NAME = "pauses"


def find(examined: Examined) -> Iterator[Finding]:
    """One finding per pipeline that is paused, and per remedy that is disabled."""
    with examined.ledger() as connection:
        if connection is not None and sa.inspect(connection).has_table(schema.journal.name):
            journal = Journal(examined.settings.ledger_dsn, engine=connection.engine)
            for pipeline in examined.pipelines:
                pause = current_pause(journal, pipeline)
                if pause is not None:
                    yield warning(NAME, pipeline, "a pipeline that runs", str(pause), f"autopilot resume {pipeline}")
    for file in sorted((examined.settings.home / FOLDER).glob("*.json")):
        fix = f"end the drill that did it, or `rm {file}`"
        yield warning(NAME, f"remedy {file.stem}", "no disabled remedy", _disabled(file, examined.now()), fix)


def _disabled(file: Path, now: datetime) -> str:
    try:
        until = datetime.fromtimestamp(float(json.loads(file.read_bytes())["expires_at"]), UTC)
    except (OSError, ValueError, KeyError, TypeError):
        return f"a file that disables nothing: {file}"
    ended = "a drill left its file; it disables nothing since" if until <= now else "a drill has disabled it until"
    return f"{ended} {until:%Y-%m-%d %H:%M:%S}Z"
