"""Fences: which models a pipeline may not try or serve again, and who may take such a ban away."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from healing.errors import IllegalTransition

# Programs write releases under these names; to take a fence away is a person's decision.
PROGRAMS = frozenset({"bootstrap", "gateway", "heal", "maintain", "monitor", "release", "retrain", "rollback"})


@dataclass(frozen=True, slots=True)
class Fence:
    """A model that did harm: since when it may not challenge or serve, on whose word, and why.

    It names the digest and not the version, so that a repaired model of the same version is another model.
    """

    digest: str
    version: str
    at: datetime
    by: str
    why: str


def with_fence(fenced: Iterable[Fence], fence: Fence) -> tuple[Fence, ...]:
    """The fences and one more; the older of two on one model stays, for it tells why it was banned first."""
    before = tuple(fenced)
    return before if any(other.digest == fence.digest for other in before) else (*before, fence)


def without_fence(fenced: Iterable[Fence], digest: str) -> tuple[Fence, ...]:
    return tuple(fence for fence in fenced if fence.digest != digest)


def check_unfenced(fenced: Collection[Fence], named: Collection[str]) -> None:
    """Raise IllegalTransition when one of the digests in `named` is fenced, or one model is fenced twice."""
    digests = [fence.digest for fence in fenced]
    if len(set(digests)) != len(digests):
        raise IllegalTransition("a model is fenced once, found two fences on one digest")
    for fence in fenced:
        if fence.digest in named:
            raise IllegalTransition(
                f"model {fence.version} ({fence.digest[:12]}) may not challenge or serve: fenced by {fence.by} at "
                f"{fence.at:%Y-%m-%d %H:%M} UTC ({fence.why or 'no reason given'}); a person who answers for it lifts "
                "the fence with --unfence-by NAME"
            )


def check_lifted(
    before: Collection[Fence], after: Collection[Fence], lifted_by: str | None, let_in: str | None
) -> None:
    """Raise IllegalTransition unless every fence is carried on, but for the one that a person lifts from `let_in`.

    `let_in` is the digest that challenges or becomes champion by this very release: a fence is lifted where the model
    is used, so that the log shows both in one line.
    """
    lifted = {fence.digest for fence in before} - {fence.digest for fence in after}
    if lifted_by is None:
        if lifted:
            raise IllegalTransition(
                f"every following release carries the fences on; found none on {_shown(lifted)}, and nobody's name "
                "under it"
            )
        return
    if not lifted_by.strip() or lifted_by in PROGRAMS:
        raise IllegalTransition(f"a person lifts a fence, found {lifted_by!r}; give the name of who answers for it")
    if lifted != {let_in}:
        raise IllegalTransition(
            f"{lifted_by} lifts the fence of the model that this release lets in, found {_shown(lifted)} lifted"
        )


def _shown(digests: Collection[str]) -> str:
    return ", ".join(sorted(digest[:12] for digest in digests)) or "no fence"
