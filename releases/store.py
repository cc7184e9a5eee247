"""Store of published models: each is immutable, in a directory named by the digest of its manifest."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from healing.errors import ModelCorrupt, StoreUnavailable
from healing.release import ModelRef
from releases import signing
from releases.files import sync_directory
from releases.manifest import MANIFEST_FILE, SIGNATURE_FILE, Manifest, digest_of, file_inside, parse_manifest


def file_digest(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class ModelStore:
    """The `models/` directory of a release root."""

    def __init__(self, release_root: Path) -> None:
        self._models = release_root / "models"

    def path(self, digest: str) -> Path:
        return self._models / digest

    def exists(self, digest: str) -> bool:
        return (self.path(digest) / MANIFEST_FILE).is_file()

    def digests(self) -> list[str]:
        """Digests of all published models, in no particular order."""
        if not self._models.is_dir():
            return []
        return sorted(entry.name for entry in self._models.iterdir() if self.exists(entry.name))

    def manifest(self, digest: str) -> Manifest:
        """The manifest after a check of its own digest; `verify` also checks the files."""
        path = self.path(digest) / MANIFEST_FILE
        try:
            content = path.read_bytes()
        except FileNotFoundError as exc:
            raise ModelCorrupt(f"model {digest} is not in the store {self._models}; publish it again") from exc
        except OSError as exc:
            raise StoreUnavailable(f"the manifest of model {digest} cannot be read: {exc}") from exc
        found = digest_of(content)
        if found != digest:
            raise ModelCorrupt(f"manifest of model {digest} has digest {found}: it was changed after publishing")
        return parse_manifest(content, origin=str(path))

    def verify_digests(self, digest: str) -> Manifest:
        """The manifest, after a check of every file's digest; ModelCorrupt names a file that differs.

        `digest` fixes all these bytes, so a release that names it names the exact model.
        """
        directory = self.path(digest)
        manifest = self.manifest(digest)
        for name, expected in manifest.files.items():
            file = directory / name
            found = file_digest(file) if file.is_file() else "no such file"
            if found != expected:
                raise ModelCorrupt(f"model {digest}: file {name} should have digest {expected}, found {found}")
        return manifest

    def verify(self, digest: str, public_key: Path) -> Manifest:
        """The manifest, after a check of the signature and of every file's digest; ModelCorrupt names what fails."""
        manifest = self.verify_digests(digest)
        signing.verify(self.path(digest), public_key)
        return manifest

    def publish(
        self,
        files: Mapping[str, bytes],
        manifest: Manifest,
        keys: signing.Keys,
        reached: Callable[[str], None] = lambda _: None,
    ) -> ModelRef:
        """Store and sign a model; publishing the same manifest again changes nothing.

        `files` maps each path inside the model's directory to its bytes; `manifest.files` is filled in from them. The
        directory appears in one rename, so a reader never sees a part of it, and a crash leaves only a temporary
        directory. ValueError for a path that leads out of the directory. `reached` is called when the files are
        written, and when they are signed but not yet renamed.
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
                target = building / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(body)
            reached("publish.stored")
            signing.sign(building, keys)
            reached("publish.signed")
            _settle(building, self.path(model.digest))
        sync_directory(self._models)
        return model

    def copy_to(self, digest: str, directory: Path) -> Path:
        """Copy a model's files to `directory/<digest>`, for example as a reference that no drill changes."""
        target = directory / digest
        if not target.exists():
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".copying-", dir=directory) as workshop:
                building = Path(workshop) / digest
                shutil.copytree(self.path(digest), building)
                _settle(building, target)
        return target


def _settle(building: Path, target: Path) -> None:
    """Rename a finished directory to its place, unless another writer has put the same content there."""
    try:
        building.rename(target)
    except OSError:
        if not (target / SIGNATURE_FILE).is_file():
            raise
