"""The release log and the model store on an S3 server that we did not write, under faults of network and server.

What holds for both kinds of root is tested on both. docs/object-storage.md has a table of the faults and outcomes.
"""

import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from gateway.workers.release_cache import ReleaseCache
from healing.errors import ConfigError, Conflict, LogCorrupt, ModelCorrupt, StoreUnavailable
from healing.release import Challenger, Mode
from releases.log import ReleaseLog, trial_of
from releases.object_storage import WriteUnknown
from releases.release_root import ObjectRoot, directory_of, root_at
from releases.restoring import restore_log, restore_model
from releases.signing import ensure_keys
from releases.store import ModelStore
from tests.object_store import SECRET, environment_of_a_child, object_store
from tests.published import PIPELINE, publish_tiny_model
from tests.published import bootstrap as bootstrap_pipeline
from tests.releases.documents import NOW, bootstrap, model

BOUND_SECONDS = 30.0  # a call ends after 7 s on a quiet machine
CANARY = Challenger(model("b", "1.0.1"), Mode.CANARY, 0.05)


@pytest.fixture(scope="module")
def server():
    with object_store() as running:
        yield running


@pytest.fixture
def store(server):
    yield server
    server.http.clear()
    server.http.release.set()


@pytest.fixture(params=["directory", "s3"])
def root(request, tmp_path):
    """A release root of each kind."""
    if request.param == "directory":
        return tmp_path
    store = request.getfixturevalue("store")
    return store.root(tmp_path / "here", prefix=tmp_path.name)


@pytest.fixture
def remote(store, tmp_path):
    """A release root on the server, with a first release."""
    root = store.root(tmp_path / "here", prefix=tmp_path.name)
    ReleaseLog(root).append(bootstrap())
    return root


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return ensure_keys(tmp_path_factory.mktemp("keys"))


def trial(author="test"):
    return trial_of(bootstrap(), CANARY, author=author, now=NOW)


# Both kinds of root.


def test_releases_are_read_back_in_order_and_a_taken_generation_is_a_conflict(root):
    log = ReleaseLog(root)
    assert log.current() is None
    assert log.generations() == []
    log.append(bootstrap())
    log.append(trial())
    assert ReleaseLog(root).history() == [bootstrap(), trial()]
    with pytest.raises(Conflict):
        log.append(trial("another"))
    assert log.current() == trial()
    with pytest.raises(LogCorrupt, match="generation 3 is missing"):
        log.read(3)


def test_of_many_writers_of_a_generation_exactly_one_wins(root):
    ReleaseLog(root).append(bootstrap())
    ready, won = threading.Barrier(6), []

    def write(author):
        log = ReleaseLog(root)
        following = trial(author)
        ready.wait()
        try:
            log.append(following)
        except Conflict:
            return
        won.append(author)

    writers = [threading.Thread(target=write, args=(f"writer {n}",)) for n in range(6)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert [ReleaseLog(root).current().author] == won


def test_a_published_model_is_fetched_verified_and_loaded(root, keys, tmp_path):
    published = publish_tiny_model(root, keys)
    store = ModelStore(root)
    assert store.digests() == [published.digest]
    assert store.verify(published.digest, keys.public).version == published.version
    folder = store.fetch(published.digest)
    assert ModelStore(folder.parent.parent).verify(published.digest, keys.public)
    files = {"model.skops": store.read(published.digest, "model.skops")}
    assert store.publish(files, store.manifest(published.digest), keys) == published
    assert not [path for path in directory_of(root).rglob("*") if path.name.startswith((".publishing", ".copying"))]


def test_damage_of_a_published_model_and_of_a_release_is_found_and_restored_from_a_copy(root, keys, tmp_path):
    published = publish_tiny_model(root, keys)
    release = bootstrap_pipeline(root, published)
    cache = ReleaseCache(tmp_path / "cache", root)
    cache.obtain(published)
    cache.remember(release, [published.digest])
    before = cache.fingerprint(published)
    ModelStore(root).replace(published.digest, "model.skops", b"damaged")
    assert cache.fingerprint(published) != before
    with pytest.raises(ModelCorrupt, match=r"model\.skops"):
        cache.audit(published)
    with pytest.raises(ModelCorrupt):
        cache.obtain(published)
    assert restore_model(root, tmp_path / "cache", published.digest, keys.public) == ("model.skops",)
    cache.audit(published)
    assert restore_log(root, tmp_path / "cache") == ()


# An object store only.


def test_a_lost_reply_is_read_again_and_the_release_is_committed_once(store, remote):
    store.http.set("lost", "PUT", "00000002", times=1)
    ReleaseLog(remote).append(trial())
    assert ReleaseLog(remote).history() == [bootstrap(), trial()]


def test_a_lost_reply_of_an_equal_document_of_another_writer_is_a_conflict(store, remote):
    """The documents are equal byte by byte; only the metadata says which call wrote the object."""
    ReleaseLog(remote)._storage.create("log/00000002.json", b"the same bytes")
    with pytest.raises(FileExistsError):
        ReleaseLog(remote)._storage.create("log/00000002.json", b"the same bytes")


def test_a_write_without_an_answer_that_cannot_be_read_is_unknown_until_the_log_says(store, remote):
    log = ReleaseLog(remote)
    following = trial()
    log.current()
    store.http.set("held", "PUT", "00000002", times=1)

    def cut():
        store.http.waiting.wait(BOUND_SECONDS)
        store.network.cut()
        store.http.release.set()

    cutting = threading.Thread(target=cut)
    cutting.start()
    with pytest.raises(WriteUnknown, match="read it again"):
        log.append(following)
    cutting.join()
    store.network.mend()
    assert ReleaseLog(remote).current() == following


@pytest.mark.parametrize("kind", ["unavailable", "forbidden"])
def test_a_write_that_did_not_reach_the_server_is_reported_and_nothing_is_written(store, remote, kind):
    store.http.set(kind, "PUT", "00000002")
    with pytest.raises(StoreUnavailable, match="00000002") as raised:
        ReleaseLog(remote).append(trial())
    assert SECRET not in str(raised.value)
    assert ReleaseLog(remote).current() == bootstrap()
    store.http.clear()
    ReleaseLog(remote).append(trial())


def test_one_answer_503_is_tried_again(store, remote):
    store.http.set("unavailable", "PUT", "00000002", times=1)
    ReleaseLog(remote).append(trial())
    assert ReleaseLog(remote).current() == trial()


def test_a_store_that_ignores_the_condition_of_a_write_is_refused_before_the_first_release(store, tmp_path):
    root = store.root(tmp_path, prefix=f"{tmp_path.name}-loose")
    store.http.set("unconditional", "PUT")
    with pytest.raises(ConfigError, match="If-None-Match"):
        ReleaseLog(root).append(bootstrap())
    assert not [key for key in store.objects() if "-loose/log" in key]


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("cut", {}),
        ("timeout", {"timeout": 0}),
        ("timeout", {"timeout": 300}),
        ("reset_peer", {"timeout": 0}),
        ("limit_data", {"bytes": 100}),
    ],
)
def test_a_store_that_is_away_hangs_or_breaks_off_is_unavailable_within_bounds_and_used_again(
    store, remote, kind, attributes
):
    log = ReleaseLog(remote)
    log.append(trial())
    store.network.cut() if kind == "cut" else store.network.add(kind, **attributes)
    try:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable) as raised:
            log.read(2)
        assert time.monotonic() - began < BOUND_SECONDS
        assert SECRET not in str(raised.value)
    finally:
        store.network.mend() if kind == "cut" else store.network.remove(kind)
    assert log.read(2) == trial()


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("latency", {"latency": 300}), ("slicer", {"average_size": 64, "size_variation": 16, "delay": 1000})],
)
def test_a_slow_store_is_used(store, remote, kind, attributes):
    store.network.add(kind, **attributes)
    try:
        ReleaseLog(remote).append(trial())
        assert ReleaseLog(remote).current() == trial()
    finally:
        store.network.remove(kind)


def test_a_reply_that_is_shorter_than_the_object_and_claims_to_be_whole_is_no_release_and_no_model(store, remote, keys):
    published = publish_tiny_model(remote, keys)
    store.http.set("truncated", "GET", ".json")
    with pytest.raises(LogCorrupt):
        ReleaseLog(remote).read(1)
    with pytest.raises(ModelCorrupt):
        ModelStore(remote).fetch(published.digest)
    store.http.clear()
    assert ReleaseLog(remote).read(1) == bootstrap()


def test_an_old_listing_cannot_make_a_writer_commit_twice(store, remote):
    """The writer believes that the log ends at release 1; the create of release 2 is refused."""
    log = ReleaseLog(remote)
    old = log._storage.names("log")
    log.append(trial())
    stale = ReleaseLog(remote)
    stale._storage = type("Old", (), {"__getattr__": lambda _, name: getattr(log._storage, name)})()
    stale._storage.names = lambda _: old
    with pytest.raises(Conflict):
        stale.append(trial("another"))
    assert log.current() == trial()


def test_a_document_is_read_once_and_again_when_it_has_changed(store, remote):
    log = ReleaseLog(remote)
    assert log.history() == [bootstrap()]
    store.http.set("unavailable", "GET", "00000001")
    assert log.history() == [bootstrap()]
    store.http.clear()
    store.put(f"{remote.address.partition('://')[2].partition('/')[2]}/log/00000001.json", b"spoiled")
    with pytest.raises(LogCorrupt):
        log.history()


def test_a_model_whose_upload_was_cut_off_is_not_there_and_is_published_again(store, remote, keys):
    store.http.set("unavailable", "PUT", "manifest.json")
    with pytest.raises(StoreUnavailable, match=r"manifest\.json"):
        publish_tiny_model(remote, keys)
    assert ModelStore(remote).digests() == []
    store.http.clear()
    published = publish_tiny_model(remote, keys)
    assert ModelStore(remote).digests() == [published.digest]


def test_a_damaged_copy_on_this_host_is_fetched_again(remote, keys):
    published = publish_tiny_model(remote, keys)
    store = ModelStore(remote)
    (store.fetch(published.digest) / "model.skops").write_bytes(b"damaged")
    assert ModelStore(remote.directory).verify(store.fetch(published.digest).name, keys.public)


def test_a_gateway_loads_its_copy_while_the_store_is_away(store, remote, keys, tmp_path):
    published = publish_tiny_model(remote, keys)
    cache = ReleaseCache(tmp_path / "cache", remote)
    cache.obtain(published)
    unknown = replace(published, digest="0" * 64)
    store.network.cut()
    try:
        again = ReleaseCache(tmp_path / "cache", remote)
        assert again.obtain(published) == tmp_path / "cache" / "models" / published.digest
        assert again.manifest(published).pipeline == PIPELINE
        with pytest.raises(StoreUnavailable):
            again.audit(published)
        with pytest.raises(StoreUnavailable):
            again.obtain(unknown)
    finally:
        store.network.mend()
    with pytest.raises(ModelCorrupt, match="publish it again"):
        again.obtain(unknown)


WRITER = """
import sys
from pathlib import Path
from releases.log import ReleaseLog
from releases.release_root import root_at
from tests.releases.documents import bootstrap
from tests.releases.test_object_storage import trial

log = ReleaseLog(root_at(sys.argv[1], Path(sys.argv[2])))
log.append(trial("killed"))
"""


def killed_writer(store, root, part):
    """Start a writer process, and kill it while the reply to its request for `part` is held."""
    store.http.waiting.clear()
    store.http.release.clear()
    store.http.set("held", "PUT", part, times=1)
    command = [sys.executable, "-c", WRITER, root.address, str(root.directory)]
    process = subprocess.Popen(command, env=environment_of_a_child(store))
    try:
        assert store.http.waiting.wait(4 * BOUND_SECONDS)
    finally:
        process.kill()
        process.wait(BOUND_SECONDS)
        store.http.clear()
        store.http.release.set()


def test_a_writer_killed_before_its_commit_leaves_the_old_release(store, remote):
    """It is killed while it checks whether the store keeps the condition, its last request before the commit."""
    killed_writer(store, remote, ".exclusive-create")
    assert ReleaseLog(remote).current() == bootstrap()
    ReleaseLog(remote).append(trial())


def test_a_writer_killed_after_its_commit_and_before_the_reply_leaves_the_new_release_and_the_next_sees_it(
    store, remote
):
    killed_writer(store, remote, "00000002")
    assert ReleaseLog(remote).current() == trial("killed")
    with pytest.raises(Conflict, match="taken"):
        ReleaseLog(remote).append(trial())


# Addresses.


def test_an_address_is_a_directory_or_an_object_store(tmp_path):
    assert root_at(str(tmp_path), tmp_path / "x") == tmp_path
    assert root_at(f"file://{tmp_path}", tmp_path / "x") == tmp_path
    assert root_at("s3://bucket/prefix/", tmp_path) == ObjectRoot("s3://bucket/prefix", tmp_path)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://host/releases", "scheme 'ftp'"),
        (f"s3://key:{SECRET}@bucket/prefix", "without user, password or query"),
        (f"s3://bucket/prefix?secret={SECRET}", "without user, password or query"),
        ("s3:///prefix", "expected a bucket"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_a_secret(tmp_path, address, message):
    with pytest.raises(ConfigError, match=message) as raised:
        root_at(address, tmp_path)
    assert SECRET not in str(raised.value)
