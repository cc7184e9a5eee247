import pytest

from gateway.log.directory_lock import DirectoryLock
from healing.errors import StoreUnavailable


def test_one_gateway_writes_and_one_waits(tmp_path):
    writer, standby, third = (DirectoryLock(tmp_path / "state") for _ in range(3))
    writer.take()
    assert writer.try_take()
    with pytest.raises(StoreUnavailable, match="in use by another gateway"):
        standby.take()
    assert not writer.awaited
    standby.wait_in_line()
    assert writer.awaited
    with pytest.raises(StoreUnavailable, match="has another standby"):
        third.wait_in_line()


def test_the_standby_takes_over_when_the_writer_ends(tmp_path):
    writer, standby = DirectoryLock(tmp_path), DirectoryLock(tmp_path)
    writer.take()
    standby.wait_in_line()
    assert not standby.try_take()
    writer.release()
    assert standby.try_take()
    standby.leave_line()
    assert not standby.awaited
