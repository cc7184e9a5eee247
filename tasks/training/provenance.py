"""Provenance of a model: the code revision, the pipeline's source files, and all installed libraries."""

import hashlib
import inspect
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_MODEL_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "skops")  # needed to open a model
_GIT_SECONDS_MAX = 10


@dataclass(frozen=True, slots=True)
class Environment:
    """Every installed distribution as `name==version`, sorted."""

    pins: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 (64 hex digits) of the pins, one per line."""
        return hashlib.sha256("\n".join(self.pins).encode()).hexdigest()

    @property
    def model_pins(self) -> tuple[str, ...]:
        """Pins of the libraries that are needed to open a model."""
        return tuple(pin for pin in self.pins if pin.partition("==")[0] in _MODEL_LIBRARIES)


@cache
def installed_environment() -> Environment:
    """All distributions installed here; the locks in requirements/ determine them. Read once per process."""
    pins = {
        f"{distribution.name.lower().replace('_', '-')}=={distribution.version}"
        for distribution in metadata.distributions()
    }
    return Environment(tuple(sorted(pins)))


def source_sha256(function: Callable[..., Any]) -> str:
    """SHA-256 (64 hex digits) of the file that defines a function."""
    file = inspect.getsourcefile(function)
    assert file is not None  # a pipeline's functions are defined in files
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def code_revision() -> str:
    """The git commit of this code (`-dirty` after local changes), or the installed version if there is no git."""
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
