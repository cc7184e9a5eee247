"""Fences: bans on models that a pipeline may not try or serve again, and the rules for lifting them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from healing.errors import IllegalTransition

# Programs write releases under these names. Only a person may lift a fence.
PROGRAMS = frozenset({"bootstrap", "gateway", "heal", "maintain", "monitor", "release", "retrain", "rollback"})


@dataclass(frozen=True, slots=True)
class Fence:
    """A ban on one model: since when it may not challenge or serve, by whom, and why.

    It names the digest and not the version, so that a repaired model with the same version is another model.
    """

    digest: str
    version: str
    at: datetime
    by: str
    why: str


def with_fence(fenced: Iterable[Fence], fence: Fence) -> tuple[Fence, ...]:
    """The fences and one more. A model that is fenced already keeps its older fence, which has the first reason."""
    before = tuple(fenced)
    return before if any(other.digest == fence.digest for other in before) else (*before, fence)


def without_fence(fenced: Iterable[Fence], digest: str) -> tuple[Fence, ...]:
    return tuple(fence for fence in fenced if fence.digest != digest)


def check_unfenced(fenced: Collection[Fence], named: Collection[str]) -> None:
    """Raise IllegalTransition when one of the digests in `named` is fenced, or one model is fenced twice."""
    digests = [fence.digest for fence in fenced]
    if len(set(digests)) != len(digests):
        raise IllegalTransition("expected at most one fence per model, found two fences on one digest")
    for fence in fenced:
        if fence.digest in named:
            raise IllegalTransition(
                f"model {fence.version} ({fence.digest[:12]}) may not challenge or serve: fenced by {fence.by} at "
                f"{fence.at:%Y-%m-%d %H:%M} UTC ({fence.why or 'no reason given'}); a person lifts the fence "
                "with --unfence-by NAME"
            )


def check_lifted(
    before: Collection[Fence], after: Collection[Fence], lifted_by: str | None, let_in: str | None
) -> None:
    """Raise IllegalTransition unless `after` keeps every fence of `before`, except the one that a person lifts.

    `let_in` is the digest that challenges or becomes champion with this release. Only its fence may be lifted, so that
    the log shows in one document who lifted a fence and for what.
    """
    lifted = {fence.digest for fence in before} - {fence.digest for fence in after}
    if lifted_by is None:
        if lifted:
            raise IllegalTransition(
                f"a release keeps the fences of the one before it; found none on {_shown(lifted)}, and no person who "
                "lifts it"
            )
        return
    if not lifted_by.strip() or lifted_by in PROGRAMS:
        raise IllegalTransition(f"only a person lifts a fence, found {lifted_by!r}; give the name of a person")
    if lifted != {let_in}:
        raise IllegalTransition(
            f"{lifted_by} may lift only the fence of the model that this release names, found {_shown(lifted)} lifted"
        )


def _shown(digests: Collection[str]) -> str:
    return ", ".join(sorted(digest[:12] for digest in digests)) or "no fence"
