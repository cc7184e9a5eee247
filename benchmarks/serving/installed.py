"""Peers' environments: one virtual environment each, made from its own lock on first use."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.result import PROJECT
from benchmarks.serving.world import BENCH

_LOCKS = PROJECT / "requirements" / "peers"


def environment_of(peer: str) -> Path:
    """The interpreter of the peer's environment under `var/bench/peers/`; made anew when its lock has changed.

    The lock is kept in the environment once everything of it is there, so a broken installation starts over.
    """
    lock, folder = _LOCKS / f"{peer}.txt", BENCH / "peers" / peer
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(lock)]
    subprocess.run(install, check=True)
    shutil.copyfile(lock, installed)
    return python
