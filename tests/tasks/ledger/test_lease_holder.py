"""A process that has ended is recognised on its own machine, and never guessed about elsewhere."""

import subprocess
import sys

from tasks.ledger.lease_holder import has_ended, this_process

_SHOW = "from tasks.ledger.lease_holder import this_process; print(this_process(), flush=True); input()"


def test_a_process_has_ended_once_it_was_killed_and_before_it_is_reaped():
    other = subprocess.Popen([sys.executable, "-c", _SHOW], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with other:
        name = other.stdout.readline().strip()
        assert not has_ended(name)
        other.kill()
        while not has_ended(name):  # a zombie runs no code any more
            assert other.returncode is None
    assert has_ended(name)


def test_nothing_is_guessed_about_a_process_that_cannot_be_seen():
    host, _, start, _pid = this_process().split("/")
    assert not has_ended(this_process())
    assert not has_ended(f"{host}/other-kernel/{start}/999999999")
    assert not has_ended("someone")
    assert not has_ended("")


def test_a_recycled_process_id_is_another_process():
    host, kernel, start, pid = this_process().split("/")
    assert has_ended(f"{host}/{kernel}/{int(start) + 1}/{pid}")
