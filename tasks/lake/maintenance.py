"""Keep the lake small: compact small files, and delete files that no reader needs any more.

Readers need every version of the last days. Without a time limit they need the versions that a published model was
trained on and the newest versions that the ledger names: a rollback and a restored snapshot read these.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from healing.errors import StoreUnavailable
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.lake.columns import FEATURES
from tasks.lake.lake_root import LakeRoot, storage_options, table_address
from tasks.ledger.store import Ledger

VERSIONS_KEPT = 10  # of each table, of those that the ledger names, however old
FILE_BYTES = 16 << 20  # compacted files: large enough to read fast, small enough that a key lookup reads few bytes
_RETENTION_DAYS_MIN = 7  # Delta's own bound: within it no reader loses a file that it still needs


@dataclass(frozen=True, slots=True)
class MaintainedTable:
    """One table after maintenance: files compacted, files written and deleted, versions that stay readable."""

    table: str
    files_joined: int
    files_written: int
    files_deleted: int
    versions_pinned: tuple[int, ...]


def pinned_versions(pipeline: Pipeline, ledger: Ledger, release_root: ReleaseRoot) -> dict[str, set[int]]:
    """By table, the versions that a model's manifest or the ledger still names."""
    pinned: dict[str, set[int]] = {FEATURES: _newest(ledger.feature_versions(pipeline.name))}
    for table in pipeline.tables:
        pinned[table] = _newest(ledger.lake_versions(pipeline.name, table))
    for table, version in _trained_on(pipeline, ModelStore(release_root)):
        pinned[table].add(version)
    return pinned


def maintain_table(root: LakeRoot, table: str, pinned: Collection[int], retention_days: int) -> MaintainedTable:
    """Compact a table's small files, and delete those that neither the last `retention_days` nor `pinned` need.

    The caller holds the locks of the table's writers. StoreUnavailable when the disk fails.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        lake = DeltaTable(table_address(root, table), storage_options=storage_options(root))
        joined = lake.optimize.compact(target_size=FILE_BYTES)
        # A version older than the first log entry cannot be pinned; asking for it would fail every time.
        oldest = min(int(commit["version"]) for commit in lake.history())
        wanted = sorted(version for version in pinned if oldest <= version <= lake.version())
        deleted = lake.vacuum(
            retention_hours=retention_days * 24,
            dry_run=False,
            enforce_retention_duration=retention_days >= _RETENTION_DAYS_MIN,
            full=True,  # also files of a killed writer, which no commit names
            keep_versions=wanted or None,
        )
        lake.create_checkpoint()  # the next reader opens one file instead of one per commit
    except (DeltaError, OSError) as exc:
        raise StoreUnavailable(
            f"table {table}: cannot maintain {table_address(root, table)}: {exc}; free space or fix access"
        ) from exc
    return MaintainedTable(table, joined["numFilesRemoved"], joined["numFilesAdded"], len(deleted), tuple(wanted))


def _newest(versions: Collection[int]) -> set[int]:
    return set(sorted(versions, reverse=True)[:VERSIONS_KEPT])


def _trained_on(pipeline: Pipeline, models: ModelStore) -> list[tuple[str, int]]:
    """Table and version that each published model was trained on."""
    found = []
    for digest in models.digests():
        manifest = models.manifest(digest)
        versions: Mapping[str, int | None] = {
            FEATURES: manifest.lake_version,
            pipeline.label.table: manifest.lake_version_labels,
        }
        found += [(table, version) for table, version in versions.items() if version is not None]
    return found
