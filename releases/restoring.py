"""Restores models and release documents of a damaged release root from a verified copy, such as a gateway's cache.

Only files that are missing or whose bytes are wrong are written, each in one step. So a sound file is never replaced, a
reader never sees a part of a file, and a process that is killed leaves work for the next one, never damage.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from healing.errors import Corrupt, ModelCorrupt, StoreUnavailable
from healing.release import Release, check_transition
from releases.log import ReleaseLog
from releases.manifest import MANIFEST_FILE, SIGNATURE_FILE
from releases.release_root import ReleaseRoot
from releases.storage import storage_of
from releases.store import ModelStore

Reached = Callable[[str], None]


def _nothing(_: str) -> None:
    return


def restore_model(
    release_root: ReleaseRoot, copy_root: Path, digest: str, public_key: Path, reached: Reached = _nothing
) -> tuple[str, ...]:
    """Names of the restored files of one model; empty if it was sound.

    The copy is verified before, with its signature, and the original after. ModelCorrupt if the copy is damaged itself
    or the original does not verify in the end; then at most files that were wrong already have changed.
    """
    originals, copies = ModelStore(release_root), ModelStore(copy_root)
    if _is_sound(originals, digest, public_key):
        return ()
    manifest = copies.verify(digest, public_key)
    if isinstance(release_root, Path) and not originals.has_any_of(digest):
        copies.copy_to(digest, originals.path(digest).parent)
        reached("republish.file_restored")
        originals.verify(digest, public_key)
        return (MANIFEST_FILE, *sorted(manifest.files), SIGNATURE_FILE)
    restored = []
    named = ((MANIFEST_FILE, digest), *sorted(manifest.files.items()))
    for name, expected in named if originals.exists(digest) else named[::-1]:  # a model is there when its manifest is
        if not originals.is_whole(digest, name, expected):
            _restore_file(copies, originals, digest, name, expected)
            restored.append(name)
            reached("republish.file_restored")
    if not _is_sound(originals, digest, public_key):  # every file is right, so the signature is not
        originals.replace(digest, SIGNATURE_FILE, copies.read(digest, SIGNATURE_FILE))
        restored.append(SIGNATURE_FILE)
        reached("republish.file_restored")
    originals.verify(digest, public_key)
    return tuple(restored)


def restore_log(release_root: ReleaseRoot, copy_root: Path, reached: Reached = _nothing) -> tuple[int, ...]:
    """Generations of the restored release documents; empty if the log has every document of the copy in a sound state.

    IllegalTransition if a document of the copy may not follow its predecessor in the log. StoreUnavailable if the
    release root has neither a log nor models: then it is away, for example not mounted.
    """
    storage = storage_of(release_root)
    if not any(storage.has_folder(name) for name in ("log", "models")):
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
        log.restore(release)
        restored.append(generation)
        reached("republish.file_restored")
    return tuple(restored)


def _is_sound(store: ModelStore, digest: str, public_key: Path) -> bool:
    try:
        store.verify(digest, public_key)
    except (ModelCorrupt, StoreUnavailable):
        return False
    return True


def _restore_file(copies: ModelStore, originals: ModelStore, digest: str, name: str, expected: str) -> None:
    """Replace a file of the original by that of the copy, if the copy has the expected digest now."""
    content = copies.read(digest, name)
    if hashlib.sha256(content).hexdigest() != expected:
        raise ModelCorrupt(f"the copy of {digest}/{name} has changed since it was verified")
    originals.replace(digest, name, content)


def _readable(log: ReleaseLog, generation: int) -> Release | None:
    """The release, or None if its document is missing or damaged."""
    try:
        return log.read(generation)
    except (Corrupt, StoreUnavailable):
        return None
