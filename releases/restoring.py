"""Restores models and release documents of a damaged release root from a verified copy, such as a gateway's cache.

Only files that are missing or whose bytes are wrong are written, each in one step. So a sound file is never replaced, a
reader never sees a part of a file, and a process that is killed leaves work for the next one, never damage.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from healing.errors import Corrupt, ModelCorrupt, StoreUnavailable
from healing.release import Release, check_transition
from releases.document import encode_release
from releases.files import create_exclusively, write_atomically
from releases.log import ReleaseLog
from releases.manifest import MANIFEST_FILE, SIGNATURE_FILE
from releases.store import ModelStore

Reached = Callable[[str], None]


def _nothing(_: str) -> None:
    return


def restore_model(
    release_root: Path, copy_root: Path, digest: str, public_key: Path, reached: Reached = _nothing
) -> tuple[str, ...]:
    """Names of the restored files of one model; empty if it was sound.

    The copy is verified before, with its signature, and the original after. ModelCorrupt if the copy is damaged itself
    or the original does not verify in the end; then at most files that were wrong already have changed.
    """
    originals, copies = ModelStore(release_root), ModelStore(copy_root)
    if _is_sound(originals, digest, public_key):
        return ()
    manifest = copies.verify(digest, public_key)
    if not originals.path(digest).is_dir():
        copies.copy_to(digest, originals.path(digest).parent)
        reached("republish.file_restored")
        originals.verify(digest, public_key)
        return (MANIFEST_FILE, *sorted(manifest.files), SIGNATURE_FILE)
    restored = []
    for name, expected in ((MANIFEST_FILE, digest), *sorted(manifest.files.items())):
        if _digest_of(originals.path(digest) / name) != expected:
            _restore_file(copies.path(digest) / name, originals.path(digest) / name, expected)
            restored.append(name)
            reached("republish.file_restored")
    if not _is_sound(originals, digest, public_key):  # every file is right, so the signature is not
        signature = (copies.path(digest) / SIGNATURE_FILE).read_bytes()
        write_atomically(originals.path(digest) / SIGNATURE_FILE, signature)
        restored.append(SIGNATURE_FILE)
        reached("republish.file_restored")
    originals.verify(digest, public_key)
    return tuple(restored)


def restore_log(release_root: Path, copy_root: Path, reached: Reached = _nothing) -> tuple[int, ...]:
    """Generations of the restored release documents; empty if the log has every document of the copy in a sound state.

    IllegalTransition if a document of the copy may not follow its predecessor in the log. StoreUnavailable if the
    release root has neither a log nor models: then it is away, for example not mounted.
    """
    if not any((release_root / name).is_dir() for name in ("log", "models")):
        raise StoreUnavailable(f"the release root {release_root} is away; bring it back before its files are restored")
    log, copy = ReleaseLog(release_root), ReleaseLog(copy_root)
    restored = []
    for generation in copy.generations():
        if _readable(log, generation) is not None:
            continue
        release = copy.read(generation)
        before = _readable(log, generation - 1)
        if before is not None:
            check_transition(before, release)
        target, content = release_root / "log" / f"{generation:08d}.json", encode_release(release)
        if target.exists():
            write_atomically(target, content)
        else:
            create_exclusively(target, content)
        restored.append(generation)
        reached("republish.file_restored")
    return tuple(restored)


def _is_sound(store: ModelStore, digest: str, public_key: Path) -> bool:
    try:
        store.verify(digest, public_key)
    except (ModelCorrupt, StoreUnavailable):
        return False
    return True


def _digest_of(file: Path) -> str | None:
    """The digest of the file's bytes; None if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


def _restore_file(source: Path, target: Path, expected: str) -> None:
    """Replace `target` by the bytes of `source`, if they have the digest now."""
    content = source.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise ModelCorrupt(f"the copy {source} has changed since it was verified")
    write_atomically(target, content)


def _readable(log: ReleaseLog, generation: int) -> Release | None:
    """The release, or None if its document is missing or damaged."""
    try:
        return log.read(generation)
    except (Corrupt, StoreUnavailable):
        return None
