"""Releases as JSON documents. A reader refuses every document that a writer would not have written."""

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from healing.ab_rules import ABRules, Better, Ends
from healing.errors import IllegalTransition, LogCorrupt
from healing.fence import Fence
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from healing.trial_rules import DEFAULT_RULES, TrialCheck, TrialRules

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelDocument(_Document):
    digest: Digest
    version: str

    @classmethod
    def of(cls, model: ModelRef) -> "ModelDocument":
        return cls(digest=model.digest, version=model.version)

    def reference(self) -> ModelRef:
        return ModelRef(digest=self.digest, version=self.version)


class RulesDocument(_Document):
    """The rules of a trial, see `healing.trial_rules`. Documents without rules are older and read as the defaults."""

    alpha: float = Field(gt=0, lt=1)
    error_ratio_tolerated: float = Field(ge=1)
    error_rate_tolerated: float = Field(gt=0, lt=1)
    slow_factor: float = Field(ge=1)
    slow_ratio_tolerated: float = Field(ge=1)
    slow_rate_tolerated: float = Field(gt=0, lt=1)
    outside_rate_tolerated: float = Field(gt=0.1, lt=1)  # each of ten bins is expected to get a tenth
    disagreement_rate_tolerated: float = Field(gt=0, lt=1)
    quality_increase_tolerated: float = Field(ge=0, lt=1)
    quality_block_seconds: float = Field(default=DEFAULT_RULES.quality_block_seconds, gt=0)
    votes: tuple[TrialCheck, ...]

    @classmethod
    def of(cls, rules: TrialRules) -> "RulesDocument":
        return cls(**{**asdict(rules), "votes": tuple(sorted(rules.votes))})

    def rules(self) -> TrialRules:
        return TrialRules(**{**self.model_dump(), "votes": frozenset(self.votes)})


class ABDocument(_Document):
    """The rules of an A/B test, see `healing.ab_rules`."""

    outcome: str = Field(min_length=1, max_length=64)
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    better: Better
    absent: float | None
    effect_min: float | None
    ends: Ends
    seconds_max: float = Field(ge=0)
    client_seconds: float = Field(ge=0)
    outcome_seconds: float = Field(ge=0)
    alpha: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        self.rules()
        return self

    @classmethod
    def of(cls, rules: ABRules) -> "ABDocument":
        return cls(**asdict(rules))

    def rules(self) -> ABRules:
        return ABRules(**self.model_dump())


class ChallengerDocument(_Document):
    """A trial. Documents without `ab` are no A/B test."""

    model: ModelDocument
    mode: Mode
    weight: float = Field(ge=0, le=1)
    rules: RulesDocument | None = None
    ab: ABDocument | None = None

    @classmethod
    def of(cls, trial: Challenger) -> "ChallengerDocument":
        rules = RulesDocument.of(trial.rules)
        ab = None if trial.ab is None else ABDocument.of(trial.ab)
        return cls(model=ModelDocument.of(trial.model), mode=trial.mode, weight=trial.weight, rules=rules, ab=ab)

    def challenger(self) -> Challenger:
        rules = DEFAULT_RULES if self.rules is None else self.rules.rules()
        return Challenger(
            self.model.reference(), self.mode, self.weight, rules, None if self.ab is None else self.ab.rules()
        )


class FenceDocument(_Document):
    digest: Digest
    version: str
    at: AwareDatetime
    by: str
    why: str

    @classmethod
    def of(cls, fence: Fence) -> "FenceDocument":
        return cls(**asdict(fence))

    def fence(self) -> Fence:
        return Fence(self.digest, self.version, self.at, self.by, self.why)


class ReleaseDocument(_Document):
    """The document `log/<generation>.json`. Documents without `fenced` are older than fences.

    `signature` is absent from a document that its writer did not sign; see `releases.release_signature`.
    """

    schema_version: Literal[1] = 1
    generation: int = Field(ge=1)
    created_at: AwareDatetime
    pipeline: str
    author: str
    reason: Reason
    champion: ModelDocument
    challenger: ChallengerDocument | None = None
    fallbacks: tuple[ModelDocument, ...] = ()
    baseline: float
    incident_id: str | None = None
    note: str = ""
    fenced: tuple[FenceDocument, ...] = ()
    unfenced_by: str | None = None
    signature: str = Field(default="", max_length=1024)

    @classmethod
    def of(cls, release: Release) -> "ReleaseDocument":
        challenger = release.challenger and ChallengerDocument.of(release.challenger)
        return cls(
            generation=release.generation,
            created_at=release.created_at,
            pipeline=release.pipeline,
            author=release.author,
            reason=release.reason,
            champion=ModelDocument.of(release.champion),
            challenger=challenger,
            fallbacks=tuple(ModelDocument.of(model) for model in release.fallbacks),
            baseline=release.baseline,
            incident_id=release.incident_id,
            note=release.note,
            fenced=tuple(FenceDocument.of(fence) for fence in release.fenced),
            unfenced_by=release.unfenced_by,
            signature=release.signature,
        )

    def release(self) -> Release:
        trial = self.challenger
        return Release(
            generation=self.generation,
            created_at=self.created_at,
            pipeline=self.pipeline,
            author=self.author,
            reason=self.reason,
            champion=self.champion.reference(),
            challenger=None if trial is None else trial.challenger(),
            fallbacks=tuple(model.reference() for model in self.fallbacks),
            baseline=self.baseline,
            incident_id=self.incident_id,
            note=self.note,
            fenced=tuple(fence.fence() for fence in self.fenced),
            unfenced_by=self.unfenced_by,
            signature=self.signature,
        )


def encode_release(release: Release) -> bytes:
    unknown: dict[str, Any] = {}  # to older software, which refuses fields that it does not know
    if not release.signature:
        unknown["signature"] = True
    if release.challenger is not None and release.challenger.ab is None:
        unknown["challenger"] = {"ab"}
    return ReleaseDocument.of(release).model_dump_json(indent=1, exclude=unknown).encode() + b"\n"


def signed_content(release: Release) -> bytes:
    """The bytes that a signature is of. Fields with their default are left out, so that a field which a later version
    adds changes no signature."""
    document = ReleaseDocument.of(release).model_dump(mode="json", exclude={"signature"}, exclude_defaults=True)
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def decode_release(content: bytes, origin: str) -> Release:
    """Read a release document; LogCorrupt names `origin` and the first error."""
    try:
        return ReleaseDocument.model_validate_json(content).release()
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise LogCorrupt(f"{origin} is not a release: {where}: {first['msg']}") from exc
    except IllegalTransition as exc:
        raise LogCorrupt(f"{origin} breaks the rules of a release: {exc}") from exc
