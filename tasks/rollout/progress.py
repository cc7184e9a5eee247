"""Progress of a rollout as its controller computes it, and its text: one line for a terminal, a page for Prefect."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from healing.release import Mode
from healing.trial_rules import CheckState, TrialCheck
from healing.verdict import Outcome
from tasks.rollout.ab_progress import ABProgress, ab_line, ab_rows


class Phase(StrEnum):
    """What the controller is doing."""

    STARTING = "starting"  # the challenger's worker is not ready yet
    WATCHING = "watching"
    HELD = "held"  # the deadline passed without a decision
    ASKING = "asking"  # waiting for an approval


class CheckProgress(BaseModel):
    """One check as a person reads it: its evidence, and how much of it makes the check fail."""

    model_config = ConfigDict(frozen=True)

    check: TrialCheck
    outcome: Outcome
    log_e: float | None
    threshold_log_e: float | None
    observations: int
    votes: bool
    reason: str

    @classmethod
    def of(cls, state: CheckState) -> "CheckProgress":
        return cls(
            check=state.check,
            outcome=state.outcome,
            log_e=_finite(state.log_e),
            threshold_log_e=_finite(state.threshold_log_e),
            observations=state.observations,
            votes=state.votes,
            reason=state.reason,
        )


class RolloutProgress(BaseModel):
    """Progress at the time `at`. `seconds_left` counts from `at`; `question` is the open question to a person."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    digest: str
    version: str
    phase: Phase
    at: AwareDatetime
    stage: int = 0
    stages: int = 0
    mode: Mode | None = None
    weight: float = 0.0
    requests: int = 0
    errors: int = 0
    champion_requests: int = 0
    champion_errors: int = 0
    requests_needed: int | None = None
    seconds_left: float | None = None
    checks: tuple[CheckProgress, ...] = ()
    question: str = ""
    reason: str = ""
    ab: ABProgress | None = None

    @property
    def step(self) -> tuple[int, Phase]:
        """Stage and phase: they change only when there is news, while counts and seconds change all the time."""
        return self.stage, self.phase


def progress_line(progress: RolloutProgress) -> str:
    """One line: stage, share, exposure, the check nearest to its threshold, requests needed, time left."""
    parts = [f"{progress.version}  {stage_in_words(progress)}  {progress.phase.value}"]
    if progress.mode is not None:
        parts.append(f"{progress.requests} requests, {progress.errors} errors")
    if progress.ab is not None:
        parts.append(ab_line(progress.ab))
    if progress.requests_needed:
        parts.append(f"{progress.requests_needed} more needed")
    nearest = _nearest(progress)
    if nearest is not None:
        parts.append(f"{nearest.check.value} {_evidence(nearest)}")
    if progress.seconds_left is not None:
        parts.append(f"{max(0.0, progress.seconds_left):.0f} s left")
    parts.extend(text for text in (progress.question, progress.reason) if text)
    return "  |  ".join(parts)


def progress_page(progress: RolloutProgress) -> str:
    """Markdown: stage and counts, and every check with its threshold."""
    lines = [
        f"# {progress.pipeline}: {progress.version}, {stage_in_words(progress)}, {progress.phase.value}",
        "",
        f"{progress.at:%Y-%m-%d %H:%M:%S} UTC. Model `{progress.digest[:12]}`.",
    ]
    lines += [text for text in (progress.question, progress.reason) if text]
    left = None if progress.seconds_left is None else round(progress.seconds_left)
    lines += [
        "",
        "| | challenger | champion |",
        "|---|---|---|",
        f"| requests | {progress.requests} | {progress.champion_requests} |",
        f"| errors | {progress.errors} | {progress.champion_errors} |",
        f"| requests needed without a further error | {_or_dash(progress.requests_needed)} | |",
        f"| seconds left | {_or_dash(left)} | |",
        "",
        *_ab_table(progress.ab),
        "| check | verdict | log e / threshold | observations | vote | |",
        "|---|---|---|---|---|---|",
        *(
            f"| {check.check.value} | {check.outcome.value} | {_evidence(check)} | {check.observations} | "
            f"{'yes' if check.votes else 'shown only'} | {check.reason} |"
            for check in progress.checks
        ),
    ]
    return "\n".join(lines)


def _ab_table(ab: ABProgress | None) -> list[str]:
    if ab is None:
        return []
    return ["| A/B test | |", "|---|---|", *(f"| {name} | {value} |" for name, value in ab_rows(ab)), ""]


def stage_in_words(progress: RolloutProgress) -> str:
    """Number, mode and share of the stage, such as `stage 2 of 5 (canary 5.0%)`, or `A/B test (50.0%)`."""
    if progress.mode is None:
        return "no stage"
    if progress.ab is not None:
        return f"A/B test ({progress.weight:.1%})"
    return f"stage {progress.stage} of {progress.stages} ({progress.mode.value} {progress.weight:.1%})"


def _nearest(progress: RolloutProgress) -> CheckProgress | None:
    """The voting check nearest to its threshold, None when none has evidence."""
    voting = [check for check in progress.checks if check.votes and check.log_e is not None and check.threshold_log_e]
    return max(voting, key=lambda check: (check.log_e or 0.0) - (check.threshold_log_e or 0.0), default=None)


def _evidence(check: CheckProgress) -> str:
    return f"{_number(check.log_e)} / {_number(check.threshold_log_e)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _finite(value: float) -> float | None:
    """None for an infinity, which JSON cannot hold: a check without observations may have log e of minus infinity."""
    return value if abs(value) != float("inf") else None
