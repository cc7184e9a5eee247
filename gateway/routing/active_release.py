"""The active release: its model versions in the order they are asked, and the challenger's share of requests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.batching.versions import Version
from gateway.routing.request import PredictRequest, Rung
from gateway.rows.answers import RowAnswer
from gateway.rows.schema import Binder
from healing.assignment import client_of, is_assigned
from healing.release import Challenger, Release
from releases.output import Output


@dataclass(frozen=True, slots=True)
class ActiveRelease:
    """The active release. It is replaced as a whole, so that a request sees one release from start to end."""

    release: Release
    champion: Version
    challenger: Version | None
    fallbacks: tuple[Version, ...]
    binder: Binder
    also_known: frozenset[str]
    baseline: float
    output: Output | None

    @classmethod
    def of(
        cls, release: Release, champion: Version, challenger: Version | None, fallbacks: Sequence[Version]
    ) -> "ActiveRelease | None":
        """None while no manifest can be read: without a schema no request can be checked."""
        versions = [champion, *fallbacks, *([challenger] if challenger else [])]
        binders = [version.binder for version in versions if version.binder is not None]
        if not binders:
            return None
        described = next(version for version in versions if version.binder is not None)
        known = frozenset(name for binder in binders for name in (*binder.schema.names, binder.schema.key or ""))
        baseline, output = _baseline_answer(release, described), described.output
        return cls(release, champion, challenger, tuple(fallbacks), binders[0], known, baseline, output)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every feature that a version of this release reads."""
        binders = [version.binder for _, version in self.rungs(challenger=True) if version.binder is not None]
        return tuple(dict.fromkeys(name for binder in binders for name in binder.names))

    def client_of(self, request: PredictRequest) -> str | None:
        """The client's number in the A/B test of this release; None where the release is no A/B test."""
        trial = self.release.challenger
        if trial is None or trial.ab is None:
            return None
        return client_of(trial.model.digest, request.route_key or request.request_id)

    def rungs(self, *, challenger: bool) -> Iterator[tuple[Rung, Version]]:
        """Who is asked, in order."""
        if challenger and self.challenger is not None:
            yield Rung.CHALLENGER, self.challenger
        yield Rung.CHAMPION, self.champion
        for fallback in self.fallbacks:
            yield Rung.FALLBACK, fallback

    def rung_of(self, version: Version) -> Rung:
        """Where a version stands; one that the release does not name counts as a fallback."""
        return next((rung for rung, other in self.rungs(challenger=True) if other is version), Rung.FALLBACK)


def _baseline_answer(release: Release, version: Version) -> float:
    """The baseline of the release, with all outputs where the version has several."""
    manifest = version.manifest
    if manifest is None or not manifest.baseline_outputs:
        return release.baseline
    return RowAnswer(release.baseline, manifest.baseline_outputs)


def falls_to_challenger(challenger: Challenger, route_key: str) -> bool:
    """Whether requests with this route key are in the challenger's share: to answer (canary) or to copy (shadow)."""
    return challenger.weight > 0 and is_assigned(client_of(challenger.model.digest, route_key), challenger.weight)
