"""What a retrain reports: how it ended, how the candidate compared, and what became of it."""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from flows.release import ReleaseOutcome, Result
from healing.comparison import Compared, Comparison
from tasks.training.reproducibility import Repetition


class RetrainResult(StrEnum):
    """How a retrain ended."""

    BOOTSTRAPPED = "bootstrapped"
    PROMOTED = "promoted"
    ABORTED = "aborted"  # its rollout found harm
    INCONCLUSIVE = "inconclusive"  # its rollout found too little traffic
    NOT_BETTER = "not_better"  # it did not win on the same rows; nothing was published
    COMPARED = "compared"  # a dry run: nothing was published
    REPEATED = "repeated"  # trained again, to see whether the same comes of it: nothing was registered


OF_ROLLOUT = {
    Result.BOOTSTRAPPED: RetrainResult.BOOTSTRAPPED,
    Result.PROMOTED: RetrainResult.PROMOTED,
    Result.ABORTED: RetrainResult.ABORTED,
    Result.INCONCLUSIVE: RetrainResult.INCONCLUSIVE,
}


class ComparisonView(BaseModel):
    """The candidate against one rival on the same rows: gain in log-loss (nats a row) with its 90 % interval.

    `segment` names the rows if they are not all; one that `blocks` kept the candidate from release.
    """

    model_config = ConfigDict(frozen=True)

    against: str
    outcome: Comparison
    rows: int
    days: int
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None
    reason: str
    segment: str = ""
    blocks: bool = False

    @classmethod
    def of(cls, compared: Compared) -> "ComparisonView":
        return cls(**{name: getattr(compared, name) for name in cls.model_fields})


class RepetitionView(BaseModel):
    """A second training of the same plan beside the first: digests of the two models, and how far their answers are
    apart at most on a held-out row. `why` names what may have made them differ.
    """

    model_config = ConfigDict(frozen=True)

    same: bool
    first_sha256: str
    again_sha256: str
    difference: float
    why: tuple[str, ...]

    @classmethod
    def of(cls, repetition: Repetition) -> "RepetitionView":
        return cls(**{name: getattr(repetition, name) for name in cls.model_fields})


class RetrainOutcome(BaseModel):
    """What was trained, on which days, how it compared, and what became of it.

    `digest` is set once it is published; `model_sha256` is that of the model alone, the same whenever the same model is
    made. `insisted` when a person skipped the comparison's vote. `suspicion`: why it may be too good to be true.
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
    comparisons: tuple[ComparisonView, ...] = ()
    suspicion: str = ""
    insisted: bool = False
    repetition: RepetitionView | None = None
    rollout: ReleaseOutcome | None = None
    incident_id: str | None = None

    @property
    def in_words(self) -> str:
        """Markdown: the result, doubts, and a line a comparison."""
        insisted = " (a person insisted)" if self.insisted else ""
        lines = [f"Candidate {self.version}, learned until {self.trained_until}: **{self.result}**{insisted}", ""]
        if self.suspicion:
            lines += [f"**{self.suspicion}**", ""]
        if self.repetition is not None:
            same = "the same model" if self.repetition.same else f"another model: {'; '.join(self.repetition.why)}"
            lines += [f"Trained again: {same}. Answers differ by {self.repetition.difference:.2g} at most.", ""]
        rows = [f"| {c.against} | {c.segment or 'all rows'} | {c.outcome} | {c.reason} |" for c in self.comparisons]
        return "\n".join([*lines, "| against | on | outcome | why |", "|---|---|---|---|", *rows])
