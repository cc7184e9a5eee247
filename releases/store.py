"""Store of published models: each is immutable, in a folder named by the digest of its manifest."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from healing.errors import ModelCorrupt, StoreUnavailable
from healing.release import ModelRef
from releases import signing
from releases.manifest import MANIFEST_FILE, SIGNATURE_FILE, Manifest, digest_of, file_inside, parse_manifest
from releases.release_root import ObjectRoot, ReleaseRoot, directory_of
from releases.storage import DirectoryStorage, FileState, storage_of

_FOLDER = "models"


class ModelStore:
    """The folder `models` of a release root."""

    def __init__(self, release_root: ReleaseRoot) -> None:
        self._root = release_root
        self._storage = storage_of(release_root)
        self._models = directory_of(release_root) / _FOLDER

    def path(self, digest: str) -> Path:
        """The model's directory on this host. With an object store, a copy is there only after `fetch`."""
        return self._models / digest

    def fetch(self, digest: str) -> Path:
        """The model's directory on this host, to load it from; out of an object store, the model is copied there once.

        A copy whose digests do not hold is made again. A model in a directory is not looked at: who loads it verifies.
        """
        if isinstance(self._root, ObjectRoot):
            copies = ModelStore(self._root.directory)
            if copies.path(digest).exists():
                try:
                    copies.verify_digests(digest)
                except ModelCorrupt:
                    shutil.rmtree(copies.path(digest), ignore_errors=True)
            self.copy_to(digest, self._models)
        return self.path(digest)

    def exists(self, digest: str) -> bool:
        """Whether the model was published completely: its manifest comes last."""
        return self._storage.has(_name(digest, MANIFEST_FILE))

    def has_any_of(self, digest: str) -> bool:
        """Whether there is at least a part of the model."""
        return self._storage.has_folder(f"{_FOLDER}/{digest}")

    def is_there(self) -> bool:
        """Whether the store itself is there, with or without models."""
        return self._storage.has_folder(_FOLDER)

    def digests(self) -> list[str]:
        """Digests of all published models, sorted."""
        if not self.is_there():
            return []
        return sorted(name for name in self._storage.names(_FOLDER) if self.exists(name))

    def manifest(self, digest: str) -> Manifest:
        """The manifest after a check of its own digest; `verify` also checks the files."""
        name = _name(digest, MANIFEST_FILE)
        try:
            content = self._storage.read(name)
        except FileNotFoundError as exc:
            raise ModelCorrupt(
                f"model {digest} is not in the store {self._storage.where(_FOLDER)}; publish it again"
            ) from exc
        except OSError as exc:
            raise StoreUnavailable(f"the manifest of model {digest} cannot be read: {exc}") from exc
        found = digest_of(content)
        if found != digest:
            raise ModelCorrupt(f"manifest of model {digest} has digest {found}: it was changed after publishing")
        return parse_manifest(content, origin=self._storage.where(name))

    def verify_digests(self, digest: str) -> Manifest:
        """The manifest, after a check of every file's digest; ModelCorrupt names a file that differs.

        `digest` fixes all these bytes, so a release that names it names the exact model.
        """
        manifest = self.manifest(digest)
        for name, expected in manifest.files.items():
            found = self._digest_of(digest, name) or "no such file"
            if found != expected:
                raise ModelCorrupt(f"model {digest}: file {name} should have digest {expected}, found {found}")
        return manifest

    def verify(self, digest: str, public_key: Path) -> Manifest:
        """The manifest, after a check of the signature and of every file's digest; ModelCorrupt names what fails."""
        if not isinstance(self._root, ObjectRoot):
            manifest = self.verify_digests(digest)
            signing.verify(self.path(digest), public_key)
            return manifest
        self._models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".copying-", dir=self._models) as directory:
            copies = ModelStore(Path(directory))
            self.copy_to(digest, copies.path(digest).parent)
            return copies.verify(digest, public_key)

    def is_whole(self, digest: str, name: str, expected: str) -> bool:
        """Whether a file of a model has the digest that is expected; false where it cannot be read."""
        try:
            return self._digest_of(digest, name) == expected
        except (OSError, StoreUnavailable):
            return False

    def read(self, digest: str, name: str) -> bytes:
        """The bytes of one file of a model."""
        return self._storage.read(_name(digest, name))

    def replace(self, digest: str, name: str, content: bytes) -> None:
        """Write one file of a published model again, in one step."""
        self._storage.replace(_name(digest, name), content)

    def states(self, digest: str) -> frozenset[FileState]:
        """What the storage says of the published files without reading them; empty when they are not there."""
        return self._storage.states(f"{_FOLDER}/{digest}")

    def publish(
        self,
        files: Mapping[str, bytes],
        manifest: Manifest,
        keys: signing.Keys,
        reached: Callable[[str], None] = lambda _: None,
    ) -> ModelRef:
        """Store and sign a model; publishing the same manifest again changes nothing.

        `files` maps each path inside the model's directory to its bytes; `manifest.files` is filled in from them. The
        directory appears in one rename, or its manifest is uploaded last, so a reader never sees a part of a model. A
        crash leaves a temporary directory, or files without a manifest. ValueError for a path that leads out of the
        directory. `reached` is called when the files are written, and when they are signed but not yet published.
        """
        manifest = manifest.model_copy(
            update={
                "files": {file_inside(name): hashlib.sha256(body).hexdigest() for name, body in sorted(files.items())}
            }
        )
        content = manifest.to_bytes()
        model = ModelRef(digest=digest_of(content), version=manifest.version)
        if self.exists(model.digest):
            return model
        self._models.mkdir(parents=True, exist_ok=True)
        # Built under its final name inside a temporary directory: the signature covers the directory's name.
        with tempfile.TemporaryDirectory(prefix=".publishing-", dir=self._models) as workshop:
            building = Path(workshop) / model.digest
            building.mkdir()
            for name, body in {**files, MANIFEST_FILE: content}.items():
                _write(building / name, body)
            reached("publish.stored")
            signing.sign(building, keys)
            reached("publish.signed")
            self._storage.place(building, f"{_FOLDER}/{model.digest}", last=MANIFEST_FILE)
        return model

    def copy_to(self, digest: str, directory: Path) -> Path:
        """Copy a model's files to `directory/<digest>`, for example as a reference that no drill changes."""
        target = directory / digest
        if not target.exists():
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".copying-", dir=directory) as workshop:
                building = Path(workshop) / digest
                self._copy_files(digest, building)
                DirectoryStorage(directory).place(building, digest, last=SIGNATURE_FILE)
        return target

    def _copy_files(self, digest: str, building: Path) -> None:
        if not isinstance(self._root, ObjectRoot):
            shutil.copytree(self.path(digest), building)
            return
        for name in (MANIFEST_FILE, SIGNATURE_FILE, *self.manifest(digest).files):
            try:
                _write(building / name, self.read(digest, name))
            except FileNotFoundError:
                continue  # who verifies the copy finds which file is missing

    def _digest_of(self, digest: str, name: str) -> str | None:
        """SHA-256 (64 hex digits) of a file's bytes; None where there is no such file."""
        try:
            return self._storage.digest(_name(digest, name))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None


def _name(digest: str, name: str) -> str:
    return f"{_FOLDER}/{digest}/{name}"


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
