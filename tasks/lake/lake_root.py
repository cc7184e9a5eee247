"""Where the Delta tables of a pipeline are: below a directory, or at an address in an object store.

Delta commits by a conditional put, so two writers cannot both win in an object store either. Credentials come from the
environment, by the names that the object store's own tools read.
"""

from typing import TypeAlias

from releases.release_root import ObjectRoot, ReleaseRoot
from releases.storage import storage_of

LakeRoot: TypeAlias = ReleaseRoot

_BOUNDS = {"connect_timeout": "5s", "timeout": "60s", "max_retries": "3", "retry_timeout": "20s"}


def table_address(root: LakeRoot, table: str) -> str:
    """The address of a table, as the Delta library takes it."""
    return f"{root.address}/{table}" if isinstance(root, ObjectRoot) else str(root / table)


def storage_options(root: LakeRoot) -> dict[str, str] | None:
    """Bounds of the waits for an object store; None for a directory."""
    return dict(_BOUNDS) if isinstance(root, ObjectRoot) else None


def tables_of(root: LakeRoot) -> list[str]:
    """Every table of a pipeline's lake: its own, its features, the prediction log, the monitor's checks."""
    storage = storage_of(root)
    try:
        names = storage.names("")
    except FileNotFoundError:
        return []
    return sorted(name for name in names if storage.has_folder(f"{name}/_delta_log"))
