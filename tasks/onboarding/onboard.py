"""Onboarding a file: guess a pipeline, run it on the file, and write its folder."""

import re
from dataclasses import dataclass
from pathlib import Path

from healing.errors import UsageError
from tasks.config.pipeline import PIPELINE_FILE, known_pipelines
from tasks.config.policy_file import refuse_faulty_policy
from tasks.onboarding.configuration import OUTCOMES_SUITE, ROWS_SUITE, configuration
from tasks.onboarding.draft import OnboardingRequest, PipelineDraft, draft_pipeline
from tasks.onboarding.dry_run import TableDryRun, run_dry
from tasks.onboarding.estimator import model_modules
from tasks.onboarding.features import features_module
from tasks.onboarding.files import check_free, read_rows, write_folder
from tasks.onboarding.guesses import Guess, guesses
from tasks.onboarding.large_file import profiled_rows_max
from tasks.onboarding.profile import PROFILE_FILE, profile_of
from tasks.onboarding.suites import outcomes_suite, rows_suite
from tasks.runtime.progress import report_progress

MEMORY_BYTES_MAX = 1 << 30  # the default of AUTOPILOT_MEMORY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class OnboardingResult:
    """The folder that was written, all guesses, and the dry run of the pipeline on its file.

    `bootstrap_until` is the last day of the file, up to which the first model can be trained.
    """

    folder: Path
    guesses: tuple[Guess, ...]
    dry_run: tuple[TableDryRun, ...]
    bootstrap_until: str


def onboard(
    request: OnboardingRequest, pipelines_dir: Path, memory_bytes_max: int = MEMORY_BYTES_MAX
) -> OnboardingResult:
    """Write the pipeline's folder. Nothing is written if it is refused.

    Of a file with more rows than about `memory_bytes_max` allow, a sample is profiled.

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
    draft = draft_pipeline(request, rows, labels, profiled_rows_max(memory_bytes_max))
    report_progress("init", 2, 3)
    files = generated_files(draft)
    found = guesses(draft, files)
    files[PROFILE_FILE] = profile_of(draft, found).to_json()
    results: list[TableDryRun] = []
    folder = write_folder(
        request.name,
        pipelines_dir,
        files,
        lambda directory: results.extend(run_dry(request.name, directory, draft.windows.last)),
    )
    return OnboardingResult(folder, found, tuple(results), draft.windows.last.isoformat())


def generated_files(draft: PipelineDraft) -> dict[str, str]:
    return {
        PIPELINE_FILE: configuration(draft),
        ROWS_SUITE: rows_suite(draft),
        OUTCOMES_SUITE: outcomes_suite(draft),
        "features.py": features_module(draft),
        **model_modules(draft.estimator, draft.label.output),
        "__init__.py": f'"""Predicts {draft.label.name}; see pipeline.yaml."""\n',
    }
