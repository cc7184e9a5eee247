"""The model store: published models are immutable, signed, and named by digest."""

from datetime import UTC, datetime

import pytest

from healing.errors import ConfigError, ModelCorrupt
from releases import signing
from releases.manifest import Column, Golden, InputSchema, Manifest, ReferenceProfile, parse_manifest
from releases.store import ModelStore

FILES = {"model.skops": b"bytes of a model", "notes/card.md": b"# Card"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return signing.ensure_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path)


@pytest.fixture
def manifest():
    return Manifest(
        pipeline="toy",
        version="1.0.0",
        created_at=datetime(2013, 3, 1, tzinfo=UTC),
        files={},
        trained_from="2013-01-01",
        trained_until="2013-02-28",
        code_revision="none",
        requirements_sha256="0" * 64,
        input_schema=InputSchema(columns=(Column(name="x", type="double"),)),
        reference=ReferenceProfile(rows=1),
        golden=Golden(columns=("x",), rows=((1.0,),), outputs=(0.5,)),
        baseline=0.5,
        training_seconds=0.1,
    )


def test_a_published_model_verifies_and_its_manifest_lists_its_files(store, manifest, keys):
    model = store.publish(FILES, manifest, keys)
    assert set(store.verify(model.digest, keys.public).files) == set(FILES)
    assert store.digests() == [model.digest]


def test_publishing_the_same_model_again_changes_nothing(store, manifest, keys):
    assert store.publish(FILES, manifest, keys) == store.publish(FILES, manifest, keys)
    assert len(store.digests()) == 1


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_one_flipped_byte_in_any_file_is_found_and_named(store, manifest, keys, name):
    model = store.publish(FILES, manifest, keys)
    path = store.path(model.digest) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt, match="manifest" if name == "manifest.json" else name):
        store.verify(model.digest, keys.public)


@pytest.mark.parametrize("name", ["../model.skops", "a/../../model.skops", "/etc/model.skops", "..", ".", ""])
def test_a_name_that_leads_out_of_the_models_directory_is_refused(store, manifest, keys, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="inside the model's directory"):
        store.publish({name: b"surprise"}, manifest, keys)
    assert sorted(tmp_path.rglob("*")) == before
    content = manifest.model_copy(update={"files": {name: "0" * 64}}).to_bytes()
    with pytest.raises(ModelCorrupt, match="inside the model's directory"):
        parse_manifest(content, origin="manifest.json")


def test_an_unsigned_extra_file_is_refused(store, manifest, keys):
    model = store.publish(FILES, manifest, keys)
    (store.path(model.digest) / "extra.pkl").write_bytes(b"surprise")
    with pytest.raises(ModelCorrupt, match="signature"):
        store.verify(model.digest, keys.public)


def test_a_model_signed_with_another_key_is_refused(store, manifest, keys, tmp_path):
    model = store.publish(FILES, manifest, signing.ensure_keys(tmp_path / "stranger"))
    with pytest.raises(ModelCorrupt, match="is not valid under"):
        store.verify(model.digest, keys.public)


def test_a_model_without_signature_is_refused(store, manifest, keys):
    model = store.publish(FILES, manifest, keys)
    (store.path(model.digest) / "model.sig").unlink()
    with pytest.raises(ModelCorrupt, match="no signature"):
        store.verify(model.digest, keys.public)


def test_a_publish_that_fails_leaves_nothing(store, manifest, keys, tmp_path):
    broken = signing.Keys(private=tmp_path / "missing.pem", public=keys.public)
    with pytest.raises(OSError, match=r"missing\.pem"):
        store.publish(FILES, manifest, broken)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_copy_verifies_like_the_original(store, manifest, keys, tmp_path):
    model = store.publish(FILES, manifest, keys)
    store.copy_to(model.digest, tmp_path / "copy" / "models")
    ModelStore(tmp_path / "copy").verify(model.digest, keys.public)


def test_keys_are_created_once_and_only_the_owner_reads_the_private_key(tmp_path):
    first = signing.ensure_keys(tmp_path)
    content = first.private.read_bytes()
    assert signing.ensure_keys(tmp_path).private.read_bytes() == content
    assert first.private.stat().st_mode & 0o777 == 0o600


def test_a_public_key_without_its_private_key_is_not_replaced(tmp_path):
    keys = signing.ensure_keys(tmp_path)
    keys.private.unlink()
    with pytest.raises(ConfigError, match="restore the private key"):
        signing.ensure_keys(tmp_path)
