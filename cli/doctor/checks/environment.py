"""Whether Python and the installed packages are those that the project asks for."""

import platform
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cli.doctor.examined import Examined, error, warning
from cli.doctor.finding import Finding

NAME = "environment"
_DISTRIBUTION = "mlops-autopilot"
_PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"  # of a checkout


def find(_: Examined) -> Iterator[Finding]:
    """Python first, then each package of the project, also of an extra where it is installed."""
    try:
        python, needed, optional = _requirements()
    except (metadata.PackageNotFoundError, OSError, KeyError, tomllib.TOMLDecodeError) as exc:
        expected = f"the requirements in {_PYPROJECT} or in the metadata of {_DISTRIBUTION}"
        yield warning(NAME, "requirements", expected, f"neither ({exc!r})", "install the project again: `make setup`")
        return
    version = platform.python_version()
    if version not in SpecifierSet(python):
        fix = f"create the environment again with a Python {python}"
        yield error(NAME, "Python", f"a version {python}", version, fix)
    yield from package_faults(needed, optional)


def package_faults(
    needed: Sequence[str], optional: Sequence[str], version_of: Callable[[str], str] = metadata.version
) -> Iterator[Finding]:
    """A finding per package that is missing or of another version. An `optional` one may be missing."""
    for text in (*needed, *optional):
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version_of(wanted.name)
        except metadata.PackageNotFoundError:
            if text in needed:
                yield error(NAME, wanted.name, _version(wanted), "not installed", _install(wanted))
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            yield error(NAME, wanted.name, _version(wanted), found, _install(wanted))


def _requirements() -> tuple[str, list[str], list[str]]:
    """The range of Python, the required packages, and those of the extras for users."""
    if _PYPROJECT.is_file():
        project = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
        if project["name"] == _DISTRIBUTION:
            extras = project.get("optional-dependencies", {})
            optional = [each for name, some in extras.items() if name != "dev" for each in some]
            return project["requires-python"], project["dependencies"], optional
    needed, optional = [], []
    for text in metadata.requires(_DISTRIBUTION) or []:
        requirement = Requirement(text)
        is_extra = "extra" in str(requirement.marker or "")
        if is_extra and 'extra == "dev"' not in str(requirement.marker):
            requirement.marker = None
            optional.append(str(requirement))
        elif not is_extra:
            needed.append(text)
    return metadata.metadata(_DISTRIBUTION)["Requires-Python"], needed, optional


def _version(wanted: Requirement) -> str:
    return f"a version {wanted.specifier}" if wanted.specifier else "any version"


def _install(wanted: Requirement) -> str:
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return f"pip install '{wanted.name}{extras}{wanted.specifier}'"
