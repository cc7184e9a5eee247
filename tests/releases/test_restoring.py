"""Damaged files of a release root are restored from a verified copy; sound ones are never touched."""

import shutil

import pytest

from healing.errors import ModelCorrupt, StoreUnavailable
from releases.log import ReleaseLog
from releases.manifest import MANIFEST_FILE, SIGNATURE_FILE
from releases.restoring import restore_log, restore_model
from releases.signing import ensure_keys
from releases.store import ModelStore
from tests.published import bootstrap, publish_tiny_model, start_canary


class Killed(Exception):
    """The process was killed here."""


@pytest.fixture
def keys(tmp_path):
    return ensure_keys(tmp_path / "keys")


@pytest.fixture
def model(tmp_path, keys):
    """A model in a release root with two releases, and a copy of all of it beside."""
    root = tmp_path / "root"
    champion = publish_tiny_model(root, keys, version="1.0.0", seed=1)
    bootstrap(root, champion)
    start_canary(root, publish_tiny_model(root, keys, version="1.0.1", seed=2), 0.5)
    shutil.copytree(root, tmp_path / "copy")
    return champion


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def state(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["model.skops", MANIFEST_FILE, SIGNATURE_FILE])
@pytest.mark.parametrize("content", [b"damaged", None])
def test_one_damaged_or_missing_file_is_restored_and_no_other_is_written(tmp_path, keys, model, name, content):
    root, copy = tmp_path / "root", tmp_path / "copy"
    damaged = ModelStore(root).path(model.digest) / name
    damaged.unlink()
    if content is not None:
        damaged.write_bytes(content)
    before = state(root)
    assert restore_model(root, copy, model.digest, keys.public) == (name,)
    after = state(root)
    assert {path for path in after if after[path] != before.get(path)} == {damaged}
    assert files(root) == files(copy)
    assert restore_model(root, copy, model.digest, keys.public) == ()


def test_a_missing_model_appears_at_once(tmp_path, keys, model):
    shutil.rmtree(ModelStore(tmp_path / "root").path(model.digest))
    assert "model.skops" in restore_model(tmp_path / "root", tmp_path / "copy", model.digest, keys.public)
    assert files(tmp_path / "root") == files(tmp_path / "copy")


@pytest.mark.parametrize("name", ["model.skops", MANIFEST_FILE, SIGNATURE_FILE])
def test_a_damaged_copy_restores_nothing(tmp_path, keys, model, name):
    (ModelStore(tmp_path / "copy").path(model.digest) / name).write_bytes(b"damaged, too")
    (ModelStore(tmp_path / "root").path(model.digest) / "model.skops").write_bytes(b"damaged")
    before = files(tmp_path / "root")
    with pytest.raises(ModelCorrupt):
        restore_model(tmp_path / "root", tmp_path / "copy", model.digest, keys.public)
    assert files(tmp_path / "root") == before


def test_a_copy_that_others_signed_restores_nothing(tmp_path, keys, model):
    other = ensure_keys(tmp_path / "other")
    (ModelStore(tmp_path / "root").path(model.digest) / "model.skops").write_bytes(b"damaged")
    with pytest.raises(ModelCorrupt, match="signature"):
        restore_model(tmp_path / "root", tmp_path / "copy", model.digest, other.public)


def test_a_killed_restoration_is_completed_by_the_next(tmp_path, keys, model):
    folder = ModelStore(tmp_path / "root").path(model.digest)
    for name in ("model.skops", MANIFEST_FILE):
        (folder / name).write_bytes(b"damaged")

    def kill(point):
        raise Killed(point)

    with pytest.raises(Killed):
        restore_model(tmp_path / "root", tmp_path / "copy", model.digest, keys.public, kill)
    assert restore_model(tmp_path / "root", tmp_path / "copy", model.digest, keys.public) == ("model.skops",)
    assert files(tmp_path / "root") == files(tmp_path / "copy")


@pytest.mark.parametrize("content", [b"{", None])
@pytest.mark.parametrize("generations", [(1,), (2,), (1, 2)])
def test_release_documents_are_restored(tmp_path, model, generations, content):
    root, copy = tmp_path / "root", tmp_path / "copy"
    for generation in generations:
        document = root / "log" / f"{generation:08d}.json"
        document.unlink()
        if content is not None:
            document.write_bytes(content)
    assert restore_log(root, copy) == generations
    assert ReleaseLog(root).history() == ReleaseLog(copy).history()
    assert restore_log(root, copy) == ()


def test_a_sound_document_that_differs_from_the_copy_is_kept(tmp_path, model):
    document = tmp_path / "root" / "log" / "00000002.json"
    ours = document.read_bytes().replace(b'"weight": 0.5', b'"weight": 0.25').replace(b'"weight":0.5', b'"weight":0.25')
    assert ours != document.read_bytes()
    document.write_bytes(ours)
    assert restore_log(tmp_path / "root", tmp_path / "copy") == ()
    assert document.read_bytes() == ours


def test_a_release_root_that_is_not_mounted_is_left_alone(tmp_path, model):
    shutil.rmtree(tmp_path / "root")
    (tmp_path / "root").mkdir()
    with pytest.raises(StoreUnavailable, match="is away"):
        restore_log(tmp_path / "root", tmp_path / "copy")
    assert list((tmp_path / "root").iterdir()) == []
