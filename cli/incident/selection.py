"""Finds the incident that a command names, in the ledger of a home."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import settings_of

if TYPE_CHECKING:
    from healing.incident import Incident
    from tasks.config.settings import Settings
    from tasks.ledger.store import Ledger

IncidentArgument = Annotated[
    str, typer.Argument(help="Id of an incident, or the beginning of it; `autopilot incident list` shows them.")
]


@contextmanager
def incident_in_ledger(
    pipeline: str, incident_id: str, home: Path | None
) -> "Iterator[tuple[Settings, Ledger, Incident]]":
    """The settings, the open ledger, and the incident; UsageError if no incident or several have such an id."""
    from healing.errors import UsageError
    from tasks.config.pipeline import load_pipeline
    from tasks.ledger.store import Ledger

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    if not settings.has_ledger:
        raise UsageError(f"expected an incident of {pipeline!r}, found no ledger in {settings.home}; nothing ran yet")
    with Ledger(settings.ledger_dsn) as ledger:
        yield settings, ledger, ledger.incident_with_prefix(pipeline, incident_id)
