"""A bad model that was published properly: on trial beside the champion, or promoted without a trial."""

import json
import time
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from chaos import http, release_documents
from chaos.bad_models import PublishedVariant, publish_variant
from chaos.lab import Lab
from chaos.reference_answers import ReferenceAnswers

__all__ = ["KIND", "Candidate", "prepare", "publish"]

KIND = "candidate"


class Candidate(BaseModel):
    """Releases that put the model on trial with `weight`, and promote it when its `role` is champion."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["candidate"] = "candidate"
    release_root: Path
    operate: str
    digest: str
    version: str
    variant: str
    role: Literal["challenger", "champion"]
    weight: float
    generation: int

    @property
    def title(self) -> str:
        return f"{self.role} {self.digest[:12]} is {self.variant}"

    def inject(self) -> None:
        """Append the releases."""
        model = {"digest": self.digest, "version": self.version}
        challenger = {"model": model, "mode": "canary", "weight": self.weight}
        trial = release_documents.append(self.release_root, "canary", {"challenger": challenger})
        if self.role == "champion":
            warm = [trial["champion"], *trial["fallbacks"]][: release_documents.FALLBACKS_MAX]
            changes = {"champion": model, "challenger": None, "fallbacks": warm}
            release_documents.append(self.release_root, "promote", changes)

    def undo(self) -> None:
        """Abort the trial, or return to the champion before, unless the system has done so."""
        release = release_documents.newest(self.release_root)
        challenger = release["challenger"]
        if challenger is not None and challenger["model"]["digest"] == self.digest:
            release_documents.append(self.release_root, "abort", {"challenger": None})
        elif release["champion"]["digest"] == self.digest and release["fallbacks"]:
            champion, *rest = release["fallbacks"]
            changes = {"champion": champion, "challenger": None, "fallbacks": rest}
            release_documents.append(self.release_root, "return", changes)

    def active(self) -> bool:
        """Whether the gateway has loaded the model and served under its release."""
        try:
            response = http.get(f"{self.operate}/release")
            return bool(response.raise_for_status().json()["active_generation"] >= self.generation)
        except httpx.HTTPError:
            return False


def prepare(
    lab: Lab, variant: str, role: Literal["challenger", "champion"] = "challenger", weight: float = 0.5
) -> Candidate:
    """Publish a variant of the champion (see `chaos/bad_models.py`), and record its answers for the comparison.

    LookupError when there is no release or no such variant.
    """
    published = publish(lab, variant)
    generation: int = lab.release_state()["desired_generation"]
    return Candidate(
        release_root=lab.models.parent,
        operate=lab.operate,
        digest=published.digest,
        version=published.version,
        variant=variant,
        role=role,
        weight=weight,
        generation=generation + (1 if role == "challenger" else 2),
    )


def publish(lab: Lab, variant: str) -> PublishedVariant:
    """Publish a variant of the champion, and record its answers for the comparison. LookupError as for `prepare`."""
    champion = lab.champion()
    published = publish_variant(lab.models, champion, lab.keys or lab.home / "keys", variant, _version(lab, champion))
    _add_reference(lab.directory, published.digest, published.answers)
    return published


def _version(lab: Lab, champion: str) -> str:
    """A patch of the champion's version: another major version would wait for the approval of a person."""
    major_minor, _, _ = str(json.loads(lab.manifest(champion))["version"]).rpartition(".")
    return f"{major_minor}.{time.time_ns() // 1_000_000}"


def _add_reference(directory: Path, digest: str, answers: Any) -> None:
    """A row without a number has no right answer: whatever is answered for it is wrong."""
    known = ReferenceAnswers.read(directory)
    rows = {str(row): () if answer is None else (answer,) for row, answer in enumerate(answers)}
    ReferenceAnswers(answers={**known.answers, digest: rows}, baselines=known.baselines).write(directory)
