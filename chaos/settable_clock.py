"""A wall clock that drills can set, for the processes of a stack: `python -m chaos.settable_clock DIRECTORY`.

The command compiles a small library with the machine's C compiler, and prints the variables to start the stack with.
The library adds the seconds in a file to the wall clock. Debian's libfaketime would do the same, but Python's
`time.sleep` fails under its version 0.9.10.
"""

import struct
import subprocess
import sys
from pathlib import Path

__all__ = ["FILE_VARIABLE", "build", "set_clock", "variables"]

SOURCE = Path(__file__).with_suffix(".c")
FILE_VARIABLE = "SETTABLE_CLOCK_FILE"
COMPILER = "cc"
COMPILER_SECONDS_MAX = 120.0


def build(directory: Path) -> Path:
    """Compile the library into `directory`. FileNotFoundError without a compiler, CalledProcessError when it fails."""
    directory.mkdir(parents=True, exist_ok=True)
    library = directory / "settable_clock.so"
    command = [COMPILER, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=COMPILER_SECONDS_MAX)
    return library


def set_clock(file: Path, offset_seconds: int) -> None:
    """Write the offset, in place: processes have mapped the file."""
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write(struct.pack("=q", offset_seconds))


def variables(directory: Path) -> dict[str, str]:
    """The environment of a process whose clock can be set. Raises what `build` raises."""
    library, file = build(directory), directory / "offset"
    set_clock(file, 0)
    return {"LD_PRELOAD": str(library), FILE_VARIABLE: str(file)}


if __name__ == "__main__":
    for name, value in variables(Path(sys.argv[1]).absolute()).items():
        sys.stdout.write(f"{name}={value}\n")
