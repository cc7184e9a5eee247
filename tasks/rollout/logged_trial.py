"""A challenger's trial in the release log: its releases, its stages with their logged requests, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from healing.errors import ModelCorrupt, UsageError
from healing.promotion import StageRule, abort_alpha_of
from healing.release import Challenger, ModelRef, Release
from healing.replay import LoggedStage
from healing.trial_evidence import Expected
from healing.trial_rules import TrialRules
from releases.manifest import Manifest
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.config.release_section import ReleaseRules
from tasks.lake.lake_root import LakeRoot
from tasks.rollout.trial_log import TrialLog


@dataclass(frozen=True, slots=True)
class LoggedTrial:
    """The releases of one trial, oldest first, and the release that ended it; None while it is running."""

    releases: tuple[Release, ...]
    ended_by: Release | None

    @property
    def challenger(self) -> Challenger:
        found = self.releases[0].challenger
        assert found is not None
        return found

    @property
    def champion(self) -> ModelRef:
        return self.releases[0].champion

    @property
    def began(self) -> datetime:
        return self.releases[0].created_at

    @property
    def ended(self) -> datetime:
        return datetime.now(UTC) if self.ended_by is None else self.ended_by.created_at


def trials_of(history: Sequence[Release]) -> tuple[LoggedTrial, ...]:
    """Every trial in the log, oldest first. A trial is an unbroken run of releases with the same challenger."""
    trials: list[LoggedTrial] = []
    on: list[Release] = []
    for release in history:
        if on and not _same_challenger(on[-1], release):
            trials.append(LoggedTrial(tuple(on), release))
            on = []
        if release.challenger is not None:
            on.append(release)
    return (*trials, LoggedTrial(tuple(on), None)) if on else tuple(trials)


def find_trial(
    history: Sequence[Release], digest: str | None, since: datetime | None, until: datetime | None
) -> LoggedTrial:
    """The last trial that began in [since, until], of the model whose digest starts with `digest`; else UsageError."""
    found = [
        trial
        for trial in trials_of(history)
        if (digest is None or trial.challenger.model.digest.startswith(digest))
        and (since is None or trial.began >= since)
        and (until is None or trial.began <= until)
    ]
    if not found:
        raise UsageError("no trial in the release log matches digest and days; `autopilot history` lists the trials")
    return found[-1]


def logged_stages(
    trial: LoggedTrial, lake_root: LakeRoot, rules: ReleaseRules, judged_by: TrialRules
) -> tuple[LoggedStage, ...]:
    """The trial's stages with their requests in the order of the answers; `judged_by` decides which ones are slow."""
    log = TrialLog(lake_root, trial.began, trial.ended, trial.challenger.model.digest)
    ends = [*(release.created_at for release in trial.releases[1:]), trial.ended]
    stages = []
    for release, ended in zip(trial.releases, ends, strict=True):
        challenger = release.challenger
        assert challenger is not None
        log.fix_slow(release.created_at, release.champion.digest, judged_by.slow_factor)
        requests, missing, notes = log.requests(release.generation, challenger.mode)
        stages.append(
            LoggedStage(
                generation=release.generation,
                mode=challenger.mode,
                weight=challenger.weight,
                began=release.created_at,
                ended=ended,
                rule=_stage_rule(challenger, rules, judged_by),
                requests=requests,
                missing=missing,
                notes=notes,
            )
        )
    return tuple(stages)


def expected_of(trial: LoggedTrial, release_root: ReleaseRoot) -> Expected:
    """What the manifests of both models say about their answers; empty for a model that is gone."""
    store = ModelStore(release_root)
    challenger, champion = _manifest(store, trial.challenger.model), _manifest(store, trial.champion)
    return Expected(
        challenger_deciles=() if challenger is None else challenger.reference.answer_deciles,
        champion_deciles=() if champion is None else champion.reference.answer_deciles,
        disagreement_distance=None if challenger is None else challenger.reference.disagreement,
    )


def _same_challenger(before: Release, after: Release) -> bool:
    a, b = before.challenger, after.challenger
    return a is not None and b is not None and a.model.digest == b.model.digest


def _manifest(store: ModelStore, model: ModelRef) -> Manifest | None:
    try:
        return store.manifest(model.digest)
    except ModelCorrupt:
        return None


def _stage_rule(challenger: Challenger, rules: ReleaseRules, judged_by: TrialRules) -> StageRule:
    """The pipeline's current rule for such a stage; that of its first stage when it has no such stage any more."""
    stage = rules.stages[rules.stage_of(challenger.mode, challenger.weight) or 0]
    deadline = stage.deadline_seconds + stage.hold_seconds
    return StageRule(
        requests_min=stage.requests_min,
        deadline_seconds=deadline if challenger.ab is None else challenger.ab.seconds_max,
        error_rate_tolerated=judged_by.error_rate_tolerated,
        abort_alpha=abort_alpha_of(judged_by, len(rules.stages)),
        seconds_min=stage.seconds_min,
    )
