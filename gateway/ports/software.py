"""What this software is called and which version of it runs."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

NAME = "mlops-autopilot"


@cache
def software_version() -> str:
    """The installed version, or `unknown` in a checkout that is not installed."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "unknown"
