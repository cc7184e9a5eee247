"""From a file to a pipeline's folder, and the account of everything that was guessed on the way."""

import re
from dataclasses import dataclass
from pathlib import Path

from healing.errors import UsageError
from tasks.config.pipeline import PIPELINE_FILE
from tasks.onboarding.code import features_module, model_module, package_module
from tasks.onboarding.configuration import OUTCOMES_SUITE, ROWS_SUITE, configuration
from tasks.onboarding.draft import Asked, Draft, draft_pipeline
from tasks.onboarding.folder import check_free, write_folder
from tasks.onboarding.reading import read_rows
from tasks.onboarding.rehearsal import Rehearsed, rehearse
from tasks.onboarding.suite import outcomes_suite, rows_suite


@dataclass(frozen=True, slots=True)
class Guess:
    """One decision: what it is about, what was chosen, and why."""

    about: str
    choice: str
    why: str


@dataclass(frozen=True, slots=True)
class Onboarded:
    """A folder that was written, what was guessed for it, and what its contract takes of the file itself.

    `learn_until` is the last day on which a first model can be trained such that some days are left to watch it on.
    """

    folder: Path
    guesses: tuple[Guess, ...]
    rehearsed: tuple[Rehearsed, ...]
    learn_until: str


def onboard(asked: Asked, pipelines_dir: Path) -> Onboarded:
    """Write the pipeline's folder. UsageError with one line, and nothing written, where none can come of the file."""
    if re.fullmatch(r"[a-z][a-z0-9_-]*", asked.name) is None:
        raise UsageError(f"expected a name of lower-case letters, digits, _ and -, found {asked.name!r}")
    check_free(asked.name, pipelines_dir)
    draft = draft_pipeline(asked, read_rows(asked.data))
    files = {
        PIPELINE_FILE: configuration(draft),
        ROWS_SUITE: rows_suite(draft),
        OUTCOMES_SUITE: outcomes_suite(draft),
        "features.py": features_module(draft),
        "model.py": model_module(draft),
        "__init__.py": package_module(draft),
    }
    rehearsed: list[Rehearsed] = []
    folder = write_folder(
        asked.name, pipelines_dir, files, lambda beside: rehearsed.extend(rehearse(asked.name, beside))
    )
    return Onboarded(folder, guesses(draft), tuple(rehearsed), draft.cadence.last.isoformat())


def guesses(draft: Draft) -> tuple[Guess, ...]:
    """Every decision of the draft, in the order in which a reader wants to check them."""
    cadence, label = draft.cadence, draft.label
    columns = [
        Guess(
            f"column {column.source_name}",
            f"{column.name}: {column.type}{', required' if column.required else ''}" if column.use else "left out",
            column.why
            + (f"; {column.low:g} to {column.high:g} allowed" if column.use and column.low is not None else ""),
        )
        for column in draft.columns
    ]
    counted = f"rows on {cadence.days_with_rows} of {cadence.span} days, about {cadence.rows_a_day} a day"
    return (
        Guess("key", f"{draft.key}: string", draft.key_why),
        Guess("event time", f"{draft.time.name}: timestamp", draft.time.why),
        Guess("label", f"{label.name}: {label.type}, as a {label.output}", label.why),
        *columns,
        Guess("estimator", draft.estimator.family, draft.estimator.why),
        Guess("days", f"{cadence.first} to {cadence.last}", counted),
        Guess(
            "windows",
            f"learn {cadence.lookback_days} days, compare on {cadence.holdout_days}, watch {cadence.window_days}",
            f"{cadence.learned} rows to learn from, {cadence.held_out} to compare on",
        ),
        Guess("known when", "with its row", "set label.known_at in pipeline.yaml to another time if it is known later"),
    )
