"""What was asked of a retrain, and how it ended: the comparisons, the model, and the result of its rollout."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from releases.loader import LoadedModel
from tasks.rollout.rollout import ReleaseOutcome
from tasks.training.comparison import Comparison
from tasks.training.earlier_champions import EarlierChampion
from tasks.training.held_out_summary import HeldOutSummary
from tasks.training.mlflow_registry import RegisteredModel
from tasks.training.plan import TrainingPlan
from tasks.training.reproducibility import Repetition


class RetrainResult(StrEnum):
    """How a retrain ended."""

    BOOTSTRAPPED = "bootstrapped"
    PROMOTED = "promoted"
    ABORTED = "aborted"  # its rollout was aborted
    INCONCLUSIVE = "inconclusive"  # its rollout stayed inconclusive
    NOT_BETTER = "not_better"  # a comparison blocked the candidate; nothing was published
    COMPARED = "compared"  # a dry run; nothing was published
    RETURNED = "returned"  # an earlier champion passed its trial; nothing was released that is new
    REPEATED = "repeated"  # a second training of the same plan; nothing was registered


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """The parameters of one run; see `flows.retrain.retrain`."""

    pipeline: str
    until: date | None
    incident_id: str | None
    estimator: str | None
    skip_comparison: bool
    dry_run: bool
    again: bool


class RetrainOutcome(BaseModel):
    """What was trained on which days, how it compared, and how its rollout ended.

    `digest` is set once the model is published. `model_sha256` is the digest of the model's bytes alone, equal for
    equal models. `comparison_skipped` means that the comparisons were allowed to block nothing. `leakage_warning` says
    why the candidate may have seen the labels. `refit` compares the refit with the compared fit; where it blocks, the
    compared fit was released in its place. `sample` says how many of the labelled rows were used; empty if all were.
    `held_out` are the candidate's losses on the held-out rows.
    `earlier` are the earlier champions that were compared with the champion. If one of them `returned`, version, digest
    and days are its own, and `skipped` are the steps that were spared.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    result: RetrainResult
    version: str
    digest: str | None
    model_sha256: str
    trained_from: date
    trained_until: date
    until: date
    comparisons: tuple[Comparison, ...] = ()
    refit: Comparison | None = None
    sample: str = ""
    earlier: tuple[EarlierChampion, ...] = ()
    returned: bool = False
    skipped: tuple[str, ...] = ()
    leakage_warning: str = ""
    held_out: HeldOutSummary | None = None
    comparison_skipped: bool = False
    repetition: Repetition | None = None
    rollout: ReleaseOutcome | None = None
    incident_id: str | None = None

    @classmethod
    def of(cls, request: RetrainRequest, plan: TrainingPlan, registered: RegisteredModel) -> "RetrainOutcome":
        """The outcome before anything is compared or published."""
        return cls(
            pipeline=plan.pipeline,
            result=RetrainResult.COMPARED,
            version=registered.version,
            digest=None,
            model_sha256=registered.model_sha256,
            trained_from=plan.train_from,
            trained_until=plan.train_until,
            until=plan.until,
            comparison_skipped=request.skip_comparison,
            incident_id=request.incident_id,
        )

    @classmethod
    def of_returning(
        cls,
        request: RetrainRequest,
        plan: TrainingPlan,
        model: LoadedModel,
        earlier: tuple[EarlierChampion, ...] = (),
        skipped: tuple[str, ...] = (),
    ) -> "RetrainOutcome":
        """The outcome of an earlier champion that returns, before its trial."""
        manifest = model.manifest
        return cls(
            pipeline=plan.pipeline,
            result=RetrainResult.COMPARED,
            version=manifest.version,
            digest=model.digest,
            model_sha256=manifest.files.get(manifest.model_file, ""),
            trained_from=date.fromisoformat(manifest.trained_from),
            trained_until=date.fromisoformat(manifest.trained_until),
            until=plan.until,
            earlier=earlier,
            returned=True,
            skipped=skipped,
            incident_id=request.incident_id,
        )

    def ended(self, result: RetrainResult, **changes: Any) -> "RetrainOutcome":
        """The outcome with its final result, and other fields changed."""
        return self.model_copy(update={"result": result, **changes})

    @property
    def markdown(self) -> str:
        """The result, warnings, and a table with one row per comparison."""
        skipped = " (comparison skipped on request)" if self.comparison_skipped else ""
        name = "Earlier champion" if self.returned else "Candidate"
        lines = [f"{name} {self.version}, trained until {self.trained_until}: **{self.result}**{skipped}", ""]
        if self.sample:
            lines += [f"A sample: {self.sample}.", ""]
        if self.skipped:
            lines += [f"It wins before the training, so these steps are skipped: {', '.join(self.skipped)}.", ""]
        if self.leakage_warning:
            lines += [f"**{self.leakage_warning}**", ""]
        if self.repetition is not None:
            same = "the same model" if self.repetition.same else f"another model: {'; '.join(self.repetition.why)}"
            lines += [f"Trained again: {same}. Predictions differ by {self.repetition.difference:.2g} at most.", ""]
        shown = (*self.comparisons, *(() if self.refit is None else (self.refit,)))
        rows = [f"| {c.against} | {c.segment or 'all rows'} | {c.outcome} | {c.reason} |" for c in shown]
        for each in self.earlier:
            by = f"{each.comparison.against}, by earlier champion {each.version}"
            rows.append(f"| {by} | all rows | {each.comparison.outcome} | {each.reason} |")
        return "\n".join([*lines, "| against | rows | outcome | reason |", "|---|---|---|---|", *rows])
