"""Where a model comes from: the revision of this code, and every library at its version."""

import hashlib
import inspect
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_MODEL_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "skops")  # what opening a model takes
_GIT_SECONDS_MAX = 10


@dataclass(frozen=True, slots=True)
class Environment:
    """Every installed distribution, pinned: `name==version`, sorted."""

    pins: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Digest (64 hex digits) of the pins, one a line."""
        return hashlib.sha256("\n".join(self.pins).encode()).hexdigest()

    @property
    def model_pins(self) -> tuple[str, ...]:
        """The pins of the libraries that the model's own bytes need."""
        return tuple(pin for pin in self.pins if pin.partition("==")[0] in _MODEL_LIBRARIES)


def installed_environment() -> Environment:
    """What is installed here; the locks in requirements/ put it there."""
    pins = {
        f"{distribution.name.lower().replace('_', '-')}=={distribution.version}"
        for distribution in metadata.distributions()
    }
    return Environment(tuple(sorted(pins)))


def source_sha256(function: Callable[..., Any]) -> str:
    """Digest (64 hex digits) of the file in which a function is written."""
    file = inspect.getsourcefile(function)
    assert file is not None  # a pipeline's functions come from files
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def code_revision() -> str:
    """The commit this code runs from (`-dirty` after local changes), else the installed version of the distribution."""
    git = shutil.which("git")
    if git is not None and (_ROOT / ".git").exists():
        described = subprocess.run(
            [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS_MAX,
            check=False,
        )
        if described.returncode == 0:
            return described.stdout.strip()
    return f"mlops-autopilot=={metadata.version('mlops-autopilot')}"
