"""Tables of the lake on an S3 server that we did not write: commits, races, and faults of the network."""

import subprocess
import sys
import threading
import time

import pytest

from healing.errors import Conflict, StoreUnavailable
from tasks.lake.lake_root import tables_of
from tasks.lake.lake_table import LakeTable
from tests.object_store import SECRET, object_store
from tests.tasks.lake.test_lake_table import MONDAY, TUESDAY, put, rows

MAINTENANCE = """
import sys
from pathlib import Path
from releases.release_root import ObjectRoot
from tasks.lake.maintenance import maintain_table
from tasks.lake.write_locks import WriteLock, write_lock

root = ObjectRoot(sys.argv[1], Path(sys.argv[2]))
with write_lock(root, WriteLock.INGEST):
    print(maintain_table(root, "t", [int(sys.argv[3])], retention_days=7).versions_pinned)
"""
BOUND_SECONDS = 100.0  # a call ends after some 25 s on a quiet machine


@pytest.fixture(scope="module")
def server():
    with object_store() as running:
        yield running


@pytest.fixture
def root(server, tmp_path):
    yield server.root(tmp_path, prefix=tmp_path.name)
    server.http.clear()


def table(root):
    return LakeTable(root, "t", ["id"])


def test_rows_are_merged_read_at_a_version_and_maintained(root):
    assert tables_of(root) == []
    assert table(root).version() is None
    _, first = put(table(root), "t/1", rows(("a", 1.0, MONDAY), ("b", 1.0, MONDAY)))
    put(table(root), "t/2", rows(("a", 2.0, TUESDAY), ("c", 3.0, TUESDAY)))
    assert tables_of(root) == ["t"]
    found = table(root)
    assert dict(zip(*[found.read()[name] for name in ("id", "value")], strict=True)) == {"a": 2.0, "b": 1.0, "c": 3.0}
    assert found.read(version=first)["value"].tolist() == [1.0, 1.0]
    assert found.has(["t/1", "t/2", "t/3"]) == [True, True, False]
    assert maintained_elsewhere(root, first) == f"({first},)"
    assert table(root).count() == 3


def maintained_elsewhere(root, version):
    """The pinned versions after maintenance by another process. This one has the server, which has to answer."""
    command = [sys.executable, "-c", MAINTENANCE, root.address, str(root.directory), str(version)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_of_writers_that_compared_the_same_version_one_commits(root):
    put(table(root), "t/1", rows(("a", 1.0, MONDAY)))
    plans = [(each := table(root), each.plan_merge(rows((f"w{n}", 1.0, MONDAY)))) for n in range(4)]
    ready, won = threading.Barrier(len(plans)), []

    def write(number, each, plan):
        ready.wait()
        try:
            each.commit(plan, {f"w/{number}": {}})
        except Conflict:
            return
        won.append(f"w{number}")

    writers = [threading.Thread(target=write, args=(n, *plan)) for n, plan in enumerate(plans)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(won) == 1
    assert sorted(table(root).read()["id"]) == ["a", *won]


def test_a_lost_reply_to_a_commit_leaves_the_batch_committed_once(server, root):
    """The writer gets a conflict, or learns that it won. Either way it asks which batches are committed."""
    put(table(root), "t/1", rows(("a", 1.0, MONDAY)))
    server.http.set("lost", "PUT", "_delta_log/00000000000000000001.json", times=1)
    try:
        put(table(root), "t/2", rows(("b", 1.0, MONDAY)))
    except Conflict:
        assert table(root).has(["t/2"]) == [True]
    assert table(root).version() == 1
    assert sorted(table(root).read()["id"]) == ["a", "b"]


def test_a_store_that_is_cut_off_or_silent_is_unavailable_within_bounds_and_used_again(server, root):
    put(table(root), "t/1", rows(("a", 1.0, MONDAY)))
    for cut, mend in (
        (server.network.cut, server.network.mend),
        (lambda: server.network.add("reset_peer", timeout=0), lambda: server.network.remove("reset_peer")),
    ):
        cut()
        try:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable) as raised:
                table(root).read()
            assert time.monotonic() - began < BOUND_SECONDS
            assert SECRET not in str(raised.value)
        finally:
            mend()
    assert table(root).count() == 1
