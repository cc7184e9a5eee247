"""Releases for tests: a bootstrap release, and models that differ only in name."""

from datetime import UTC, datetime

from healing.release import ModelRef, Reason, Release

NOW = datetime(2013, 3, 1, 12, tzinfo=UTC)


def model(letter: str, version: str = "1.0.0") -> ModelRef:
    return ModelRef(digest=letter * 64, version=version)


def bootstrap(champion: str = "a") -> Release:
    return Release(
        generation=1,
        created_at=NOW,
        pipeline="toy",
        author="test",
        reason=Reason.BOOTSTRAP,
        champion=model(champion),
        baseline=0.25,
    )
