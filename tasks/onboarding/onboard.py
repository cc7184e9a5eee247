"""Onboarding a file: guess a pipeline, run it on the file, write its folder, and report every guess."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from healing.errors import UsageError
from tasks.config.pipeline import PIPELINE_FILE, Output, known_pipelines
from tasks.config.policy_file import refuse_faulty_policy
from tasks.onboarding.columns import ColumnGuess
from tasks.onboarding.configuration import OUTCOMES_SUITE, ROWS_SUITE, configuration
from tasks.onboarding.daily_rows import DailyRows
from tasks.onboarding.draft import OnboardingRequest, PipelineDraft, draft_pipeline
from tasks.onboarding.dry_run import TableDryRun, run_dry
from tasks.onboarding.estimator import model_modules
from tasks.onboarding.features import features_module, name_list
from tasks.onboarding.files import check_free, read_rows, write_folder
from tasks.onboarding.leakage import GivenAway
from tasks.onboarding.suites import outcomes_suite, rows_suite
from tasks.onboarding.windows import HOLDOUT_ROWS, WindowsGuess, detected_loss
from tasks.runtime.progress import report_progress

_ANSWERS: Mapping[Output, str] = {
    "probability": "a probability",
    "probabilities": "a probability per class",
    "value": "a value",
}


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
    if request.labels is not None and request.labels.absolute().parent != request.data.absolute().parent:
        raise UsageError(
            f"expected --labels in the folder of --data, {request.data.absolute().parent}, found {request.labels}; "
            "move the file there"
        )
    report_progress("init", 0, 3)
    labels = None if request.labels is None else read_rows(request.labels, folder=pipelines_dir)
    rows = read_rows(request.data, folder=pipelines_dir)
    report_progress("init", 1, 3)
    draft = draft_pipeline(request, rows, labels)
    report_progress("init", 2, 3)
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
        Guess("label", f"{label.name}: {label.type}, predicted as {_ANSWERS[label.output]}", label.why),
        *(_column_guess(column) for column in draft.columns),
        Guess("estimator", draft.estimator.family, draft.estimator.why),
        Guess(
            "days",
            f"{windows.first} to {windows.last}",
            f"rows on {windows.days_with_rows} of {windows.days} days, about {windows.rows_per_day} per day",
        ),
        *_daily_guesses(draft.daily_rows),
        *_rare_guess(windows),
        _windows_guess(draft),
        *_few_rows_guess(windows),
        _known_at_guess(draft),
        *(_warning(draft, each) for each in draft.given_away),
    )


def _windows_guess(draft: PipelineDraft) -> Guess:
    """The windows in days and in rows, and what the tests on them can detect."""
    windows, columns = draft.windows, len(draft.inputs)
    fitted = f"{windows.train_rows} training rows"
    if windows.train_rows > windows.rows_max:
        fitted = f"{windows.rows_max} of {fitted}"
    return Guess(
        "windows",
        f"{windows.lookback_days} training days, {windows.holdout_days} held-out days, "
        f"{windows.window_days} monitored days",
        f"{fitted}; holdout {windows.held_out_rows} rows, detects a loss of {windows.detected_loss:.2g} with "
        f"probability 0.8; monitored window about {windows.window_rows} rows, a column's shift below "
        f"{windows.unnoticed_shift(columns):.2g} standard deviations probably stays unnoticed",
    )


def _few_rows_guess(windows: WindowsGuess) -> Iterator[Guess]:
    """What too few held-out rows cannot show."""
    if windows.held_out_rows < HOLDOUT_ROWS:
        why = (
            f"a difference in the loss below {windows.detected_loss:.2g} per row probably stays unnoticed; "
            f"{HOLDOUT_ROWS} held-out rows detect {detected_loss(HOLDOUT_ROWS, windows.rare_share):.2g}"
        )
        yield Guess("few rows", f"{windows.held_out_rows} held-out rows in {windows.holdout_days} days", why)


def _known_at_guess(draft: PipelineDraft) -> Guess:
    if draft.label_file is None:
        why = "set label.known_at in pipeline.yaml if the label becomes known later"
        return Guess("label known at", "event time", why)
    return Guess("label known at", f"{draft.known_at.name}: timestamp", str(draft.label_file.delays))


def _rare_guess(windows: WindowsGuess) -> Iterator[Guess]:
    if windows.rare_share is not None:
        share, rows = windows.rare_share, round(windows.rare_share * windows.held_out_rows)
        why = (
            f"windows are measured by its rows, about {rows} are held out; tolerated losses are "
            f"{windows.loss_scale:.1%} of the usual ones; no class weights, so that probabilities stay calibrated"
        )
        yield Guess("rare class", f"{share:.2%} of the rows", why)


def _warning(draft: PipelineDraft, found: GivenAway) -> Guess:
    """What gives the label away, and the line to change."""
    share = f"explains {found.explained:.0%} of the label by itself"
    if found.is_key:
        why = (
            f"the order of its values {share}, and time does not; the model does not get the key, but check that the "
            "file is not sorted or numbered by the label"
        )
        return Guess("WARNING", f"key {found.column} orders the label", why)
    names = name_list(next(each for each in draft.inputs if each.name == found.column))
    missing = ", mostly by where it is missing" if found.by_missing else ""
    remedy = f'remove "{found.column}" from {names} in features.py'
    why = f"it {share}{missing}; if it becomes known only with the label, {remedy}"
    return Guess("WARNING", f"column {found.column} gives the label away", why)


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
