"""Keeping the lake small: files are joined, and what no reader may want again is deleted.

A reader may want every version of the last days, and for good the versions that a published model was trained on and
the newest that the ledger names of each table: a rollback and a restored snapshot need these.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from healing.errors import StoreUnavailable
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.ingestion.stores import Stores
from tasks.lake.columns import FEATURES

VERSIONS_KEPT = 10  # of each table, by the ledger, however old
FILE_BYTES = 16 << 20  # joined files: large enough to read fast, small enough that a key is looked for in few
_RETENTION_DAYS_MIN = 7  # Delta's own bound: a reader that began within it is never robbed of a file


@dataclass(frozen=True, slots=True)
class Kept:
    """One table after its upkeep: files joined and written anew, files deleted, versions pinned."""

    table: str
    files_joined: int
    files_written: int
    files_deleted: int
    versions_pinned: tuple[int, ...]


def pinned_versions(stores: Stores, release_root: Path) -> dict[str, set[int]]:
    """By table the versions that a manifest or the ledger still names."""
    pinned: dict[str, set[int]] = {FEATURES: _newest(stores.ledger.feature_versions(stores.pipeline.name))}
    for table in stores.pipeline.tables:
        pinned[table] = _newest(stores.ledger.lake_versions(stores.pipeline.name, table))
    for table, version in _trained_on(stores.pipeline, ModelStore(release_root)):
        pinned[table].add(version)
    return pinned


def keep_small(root: Path, table: str, pinned: Collection[int], retention_days: int) -> Kept:
    """Join a table's small files and delete those that neither the last `retention_days` nor a pinned version need.

    The caller holds the locks of the table's writers. StoreUnavailable when the disk refuses.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        lake = DeltaTable(root / table)
        joined = lake.optimize.compact(target_size=FILE_BYTES)
        # A version of before the log's own beginning cannot be pinned; asking for it would fail for good.
        oldest = min(int(commit["version"]) for commit in lake.history())
        wanted = sorted(version for version in pinned if oldest <= version <= lake.version())
        deleted = lake.vacuum(
            retention_hours=retention_days * 24,
            dry_run=False,
            enforce_retention_duration=retention_days >= _RETENTION_DAYS_MIN,
            full=True,  # also what a killed writer left behind and no commit names
            keep_versions=wanted or None,
        )
        lake.create_checkpoint()  # the next to open it reads one file instead of each commit's
    except (DeltaError, OSError) as exc:
        raise StoreUnavailable(f"table {table}: cannot tidy {root / table}: {exc}; free space or fix access") from exc
    return Kept(table, joined["numFilesRemoved"], joined["numFilesAdded"], len(deleted), tuple(wanted))


def tables_of(root: Path) -> list[str]:
    """Every table of a pipeline's lake: its own, its features, the gateway's answers, the monitor's checks."""
    return sorted(log.parent.name for log in root.glob("*/_delta_log"))


def _newest(versions: Collection[int]) -> set[int]:
    return set(sorted(versions, reverse=True)[:VERSIONS_KEPT])


def _trained_on(pipeline: Pipeline, models: ModelStore) -> list[tuple[str, int]]:
    found = []
    for digest in models.digests():
        manifest = models.manifest(digest)
        versions: Mapping[str, int | None] = {
            FEATURES: manifest.lake_version,
            pipeline.label.table: manifest.lake_version_labels,
        }
        found += [(table, version) for table, version in versions.items() if version is not None]
    return found
