"""The gateway's own copy of what it serves: the newest releases and their models, so that it starts without the root.

Under the state directory, in the layout of a release root. A model's name is a digest of all its bytes, so a copy
with the right digests equals the original. Only the original shows whether the published bytes have changed.
"""

import shutil
import threading
from collections.abc import Collection
from pathlib import Path

import structlog

from healing.errors import Corrupt, ModelCorrupt, StoreUnavailable
from healing.release import ModelRef, Release
from releases.document import encode_release
from releases.files import write_atomically
from releases.log import ReleaseLog
from releases.manifest import SIGNATURE_FILE, Manifest
from releases.release_root import ReleaseRoot
from releases.storage import FileState
from releases.store import ModelStore

_log = structlog.get_logger(__name__)
RELEASES_KEPT = 5


class ReleaseCache:
    """One a state directory. Everything blocks for as long as the disk takes: call it in a thread."""

    def __init__(self, directory: Path, release_root: ReleaseRoot) -> None:
        self.directory = directory
        self._root = release_root
        self._copies = ModelStore(directory)
        self._originals = ModelStore(release_root)
        self._log = ReleaseLog(directory)
        self._changing = threading.Lock()  # two models of one release are obtained at once

    def obtain(self, model: ModelRef) -> Path:
        """A directory whose digests hold, to load the model from.

        ModelCorrupt when the published bytes are there and are not what was published: no new process takes that model,
        whatever the copy says. StoreUnavailable when the root is away and no copy was kept.
        """
        try:
            return self._obtain_published(model)
        except StoreUnavailable:
            if self._copies.exists(model.digest):
                return self.obtain_copy(model)
            raise

    def _obtain_published(self, model: ModelRef) -> Path:
        if not self._originals.has_any_of(model.digest):
            return self.obtain_copy(model)
        self._originals.verify_digests(model.digest)
        try:
            return self._copy_of(model)
        except OSError as exc:
            _log.warning("model_not_copied", digest=model.digest, reason=str(exc))
            if isinstance(self._root, Path):
                return self._originals.path(model.digest)
            raise StoreUnavailable(f"expected to copy model {model.digest} from {self._root}, found {exc}") from exc

    def manifest(self, model: ModelRef) -> Manifest:
        """From the copy, where one was kept."""
        store = self._copies if self._copies.exists(model.digest) else self._originals
        return store.manifest(model.digest)

    def audit(self, model: ModelRef) -> None:
        """ModelCorrupt when the published bytes changed after publishing, StoreUnavailable when they are not there."""
        if not self._originals.has_any_of(model.digest):
            raise StoreUnavailable(
                f"expected model {model.digest} in {self._root}, found none; restore it: this gateway has only its copy"
            )
        self._originals.verify_digests(model.digest)

    def fingerprint(self, model: ModelRef) -> frozenset[FileState]:
        """What the store says of the published files without reading them; empty when they are not there."""
        return self._originals.states(model.digest)

    def remember(self, release: Release, digests: Collection[str]) -> None:
        """Keep `release` as the newest, and no models but those of `digests`. Raises OSError."""
        write_atomically(self._document(release.generation), encode_release(release))
        generations = self._log.generations()
        newest = [g for g in generations if g <= release.generation][-RELEASES_KEPT:]
        for generation in set(generations) - set(newest):
            self._document(generation).unlink(missing_ok=True)
        with self._changing:
            for digest in set(self._copies.digests()) - set(digests):
                shutil.rmtree(self._copies.path(digest))

    def newest(self) -> Release | None:
        """The newest release whose document is whole; None when none was ever kept."""
        for generation in reversed(self._log.generations()):
            try:
                return self._log.read(generation)
            except (Corrupt, StoreUnavailable) as exc:
                _log.warning("kept_release_unreadable", generation=generation, reason=str(exc))
        return None

    def _copy_of(self, model: ModelRef) -> Path:
        """The copy, made or made again where it is not what the original is; the signature beside it included."""
        copy = self._copies.path(model.digest)
        with self._changing:
            if copy.exists():
                try:
                    self._copies.verify_digests(model.digest)
                    signatures = [s.read(model.digest, SIGNATURE_FILE) for s in (self._copies, self._originals)]
                    if signatures[0] == signatures[1]:
                        return copy
                except (ModelCorrupt, FileNotFoundError) as exc:
                    _log.warning("copy_replaced", digest=model.digest, reason=str(exc))
                shutil.rmtree(copy)
            self._originals.copy_to(model.digest, copy.parent)
            self._copies.verify_digests(model.digest)
            return copy

    def obtain_copy(self, model: ModelRef) -> Path:
        """The own copy, without a look at the original where there is one."""
        if self._copies.exists(model.digest):
            self._copies.verify_digests(model.digest)
            return self._copies.path(model.digest)
        if self._originals.is_there():
            raise ModelCorrupt(f"model {model.digest} is not in the store {self._root}; publish it again")
        raise StoreUnavailable(f"the release root {self._root} is away, and no copy of model {model.digest} was kept")

    def _document(self, generation: int) -> Path:
        return self.directory / "log" / f"{generation:08d}.json"
