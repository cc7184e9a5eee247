"""Onboarding a file: guess a pipeline, run it on the file, write its folder, and report every guess."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from healing.errors import UsageError
from tasks.config.pipeline import PIPELINE_FILE, known_pipelines
from tasks.config.policy_file import refuse_faulty_policy
from tasks.onboarding.columns import ColumnGuess
from tasks.onboarding.configuration import OUTCOMES_SUITE, ROWS_SUITE, configuration
from tasks.onboarding.daily_rows import DailyRows
from tasks.onboarding.draft import OnboardingRequest, PipelineDraft, draft_pipeline
from tasks.onboarding.dry_run import TableDryRun, run_dry
from tasks.onboarding.estimator import model_modules
from tasks.onboarding.features import features_module
from tasks.onboarding.files import check_free, read_rows, write_folder
from tasks.onboarding.suites import outcomes_suite, rows_suite


@dataclass(frozen=True, slots=True)
class Guess:
    """One guess: what it is about, what was chosen, and why."""

    about: str
    choice: str
    why: str


@dataclass(frozen=True, slots=True)
class OnboardingResult:
    """The folder that was written, all guesses, and the dry run of the pipeline on its file.

    `bootstrap_until` is the last day of the file, up to which the first model can be trained.
    """

    folder: Path
    guesses: tuple[Guess, ...]
    dry_run: tuple[TableDryRun, ...]
    bootstrap_until: str


def onboard(request: OnboardingRequest, pipelines_dir: Path) -> OnboardingResult:
    """Write the pipeline's folder. Nothing is written if it is refused.

    UsageError with one line if the file does not allow it, ConfigError if policy.yaml has a fault.
    """
    if re.fullmatch(r"[a-z][a-z0-9_-]*", request.name) is None:
        raise UsageError(f"expected a name of lower-case letters, digits, _ and -, found {request.name!r}")
    check_free(request.name, pipelines_dir)
    refuse_faulty_policy(pipelines_dir, [*known_pipelines(pipelines_dir), request.name])
    draft = draft_pipeline(request, read_rows(request.data))
    results: list[TableDryRun] = []
    folder = write_folder(
        request.name,
        pipelines_dir,
        _generated_files(draft),
        lambda directory: results.extend(run_dry(request.name, directory, draft.windows.last)),
    )
    return OnboardingResult(folder, guesses(draft), tuple(results), draft.windows.last.isoformat())


def _generated_files(draft: PipelineDraft) -> dict[str, str]:
    return {
        PIPELINE_FILE: configuration(draft),
        ROWS_SUITE: rows_suite(draft),
        OUTCOMES_SUITE: outcomes_suite(draft),
        "features.py": features_module(draft),
        **model_modules(draft.estimator, draft.label.output),
        "__init__.py": f'"""Predicts {draft.label.name}; see pipeline.yaml."""\n',
    }


def guesses(draft: PipelineDraft) -> tuple[Guess, ...]:
    """All guesses of the draft, in the order in which a reader checks them."""
    windows, label = draft.windows, draft.label
    encoding = () if draft.encoding is None else (Guess("encoding", draft.encoding, draft.encoding_why),)
    return (
        *encoding,
        Guess("key", f"{draft.key}: string", draft.key_why),
        Guess("event time", f"{draft.time.name}: timestamp", draft.time.why),
        Guess("label", f"{label.name}: {label.type}, predicted as a {label.output}", label.why),
        *(_column_guess(column) for column in draft.columns),
        Guess("estimator", draft.estimator.family, draft.estimator.why),
        Guess(
            "days",
            f"{windows.first} to {windows.last}",
            f"rows on {windows.days_with_rows} of {windows.days} days, about {windows.rows_per_day} per day",
        ),
        *_daily_guesses(draft.daily_rows),
        Guess(
            "windows",
            f"{windows.lookback_days} training days, {windows.holdout_days} held-out days, "
            f"{windows.window_days} monitored days",
            f"{windows.train_rows} training rows; holdout {windows.held_out_rows} rows, detects a loss of "
            f"{windows.detected_loss:.2g} with probability 0.8; monitored window about {windows.window_rows} rows",
        ),
        Guess("label known at", "event time", "set label.known_at in pipeline.yaml if the label becomes known later"),
    )


def _daily_guesses(rows: DailyRows) -> Iterator[Guess]:
    limits = "no limits" if rows.share_min is None else f"{rows.share_min:g} to {rows.share_max:g} times the usual rows"
    yield Guess("rows per day", limits, rows.volume_why)
    if rows.incomplete is not None:
        why = f"it has only {rows.incomplete_rows} rows; ingest adds it when the file has its other rows"
        yield Guess("newest day", f"{rows.incomplete} left for later", why)


def _column_guess(column: ColumnGuess) -> Guess:
    about = f"column {column.source_name}"
    if not column.use:
        return Guess(about, "not used", column.why)
    required = ", required" if column.required else ""
    accepted = "" if column.low is None else f"; {column.low:g} to {column.high:g} accepted"
    return Guess(about, f"{column.name}: {column.type}{required}", f"{column.why}{accepted}")
