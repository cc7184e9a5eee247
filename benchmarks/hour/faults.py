"""The faults by name, and their order by seed."""

import random
from collections.abc import Callable, Iterator, Mapping

from benchmarks.hour import client_faults, disk_faults, process_faults, release_faults
from benchmarks.hour.stage import Stage

StageFault = Callable[[Stage], None]
"""Strikes, takes the fault away again, and raises Unexpected where the gateway answers it wrongly."""

FAULTS: Mapping[str, StageFault] = {
    "champion_killed": process_faults.kill_champion,
    "champion_stopped": process_faults.stop_champion,
    "both_workers_killed": process_faults.kill_both_workers,
    "fork_server_stopped": process_faults.stop_fork_server,
    "fork_server_killed": process_faults.kill_fork_server,
    "second_gateway": process_faults.start_second_gateway,
    "log_stalls": disk_faults.stall_log,
    "disk_full": disk_faults.fill_disk,
    "poison_rows": client_faults.send_poison_rows,
    "large_requests": client_faults.send_large_requests,
    "slow_upload": client_faults.upload_slowly,
    "hang_ups": client_faults.hang_up,
    "same_request_id": client_faults.repeat_request_id,
    "broken_bodies": client_faults.send_broken_bodies,
    "burst": client_faults.send_burst,
    "root_away": release_faults.take_root_away,
    "root_hangs": release_faults.hang_root,
    "stray_files": release_faults.leave_stray_files,
    "corrupt_challenger": release_faults.put_corrupt_model_on_trial,
    "release_race": release_faults.race_releases,
}


def in_turn(names: list[str], seed: int) -> Iterator[str]:
    """The names without end: each once per cycle, in a new order in every cycle."""
    generator = random.Random(seed)  # noqa: S311  an order, no secret
    while True:
        yield from generator.sample(names, len(names))
