import os
import time

import pytest

from chaos import leases
from chaos.drill_lock import clear_leftovers
from chaos.experiment_files import WrongUsage
from chaos.faults.toxic import Toxic
from chaos.leases import Lease
from chaos.processes import ProcessName


def test_a_fault_whose_stack_is_away_stays_on_record_and_the_message_says_what_to_do(tmp_path):
    fault = Toxic(proxy="http://127.0.0.1:9", link="operate", listen="127.0.0.1:9", toxic="down")
    now = time.time()
    holder = ProcessName.of(os.getpid())
    lease = Lease(id="one", fault=fault, holder=holder, taken_at=now, expires_at=now + 600)
    directory = tmp_path / "drills" / "noop" / "one" / "leases"
    leases._write(directory, lease)
    with pytest.raises(WrongUsage, match=r"could not be undone.*--target"):
        clear_leftovers(tmp_path)
    assert [each.outstanding for each in leases.read_all(directory)] == [True]
