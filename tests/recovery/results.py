"""Copies outcomes of trials to where `autopilot drill report` reads them; homes of tests are temporary."""

import os
from pathlib import Path

from chaos.outcome import store

RESULTS = os.environ.get("DRILL_RESULTS")  # a home; nothing is copied without it


def keep(outcome):
    """Store the outcome in the home of the results as well, and return it."""
    if RESULTS is not None:
        directory = Path(RESULTS).absolute() / "drills" / outcome.directory.parent.name / outcome.directory.name
        directory.mkdir(parents=True, exist_ok=True)
        store(outcome.model_copy(update={"directory": directory}))
    return outcome
