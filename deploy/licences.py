"""The tables of docs/licences.md: the licence of every package that the locks install, as the package declares it.

`python -m deploy.licences docs/licences.md` writes them into the page. A test checks that they are current.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy import page_tables

PROJECT = Path(__file__).parent.parent
RUNTIME, DEVELOPMENT = PROJECT / "requirements" / "demo.txt", PROJECT / "requirements" / "dev.txt"

# The package declares no licence as metadata; these are the licence files in their wheels.
_READ_FROM_FILE = {"axe-playwright-python": "MIT", "huey": "MIT", "sigstore-models": "MIT", "skops": "MIT"}
_PERMISSIVE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD", "CC0-1.0", "CNRI-Python", "ISC", "MIT"),
        *("MIT-0", "MIT-CMU", "PSF-2.0", "TCL", "Unlicense", "ZPL-2.1", "Zlib"),
    }
)
_FILES_ONLY = "MPL-2.0"
ACCEPTED = {
    "text-unidecode": "Artistic-1.0 or GPL at the user's choice; python-slugify, which Prefect needs, imports it",
}
_NAMES = (  # what packages write, and its SPDX identifier
    (r"Apache Software License|Apache License.*|Apache 2.*", "Apache-2.0"),
    (r"The MIT License.*|MIT License.*", "MIT"),
    (r"3-Clause BSD License", "BSD-3-Clause"),
    (r"BSD License", "BSD"),
    (r"ISC License.*", "ISC"),
    (r"Python Software Foundation License", "PSF-2.0"),
    (r"Mozilla Public License 2.0.*", "MPL-2.0"),
    (r"The Unlicense.*", "Unlicense"),
    (r"CC0", "CC0-1.0"),
    (r"GNU General Public License v2 or later.*", "GPL-2.0-or-later"),
    (r"GNU General Public License.*", "GPL"),
    (r"Artistic License", "Artistic-1.0"),
)
_NO_LICENCE = frozenset({"Freely Distributable", "DFSG approved", "OSI Approved"})  # classifiers beside the licence


def locked(lock: Path) -> tuple[str, ...]:
    """The names that a lock pins, in its order, also those for other platforms."""
    return tuple(dict.fromkeys(re.findall(r"^([A-Za-z0-9_.-]+)==", lock.read_text(), flags=re.MULTILINE)))


def locked_everywhere(lock: Path) -> tuple[str, ...]:
    """The names of `locked` without those that only some versions of Python, or only Windows, install."""
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==[^;\n]*(?:; ([^\n]*))?", lock.read_text(), flags=re.MULTILINE)
    times = Counter(name for name, _ in pins)
    partly = {
        name for name, marker in pins if times[name] == 1 and re.search(r"python_full_version|== 'win32'", marker)
    }
    return tuple(name for name in locked(lock) if name not in partly)


def installed_licences() -> dict[str, str]:
    """Licence of each installed package by its normalised name; parts are joined by AND, OR, or ";" for classifiers."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = {normalised(package["Name"]): _spdx(package["License"]) for package in listed}
    return found | {name: licence for name, licence in _READ_FROM_FILE.items() if name in found}


def objections(licences: Mapping[str, str]) -> dict[str, str]:
    """The packages whose licence is not known to be permissive. MPL-2.0 covers its own files only: it passes."""
    return {name: licence for name, licence in licences.items() if name not in ACCEPTED and not _is_permissive(licence)}


def with_tables(page: str) -> str:
    """The page with its tables as they are now; ValueError when it has no place for one."""
    licences, runtime = installed_licences(), locked_everywhere(RUNTIME)
    development = [name for name in locked_everywhere(DEVELOPMENT) if name not in set(runtime)]
    tables = {"runtime": _table(runtime, licences), "development": _table(development, licences)}
    return page_tables.with_tables(page, "deploy.licences", tables)


def _table(names: Sequence[str], licences: Mapping[str, str]) -> str:
    """One row per licence."""
    by_licence: dict[str, list[str]] = {}
    for name in names:
        if (licence := licences.get(normalised(name))) is not None:
            by_licence.setdefault(licence, []).append(name)
    rows = [f"| {licence} | {', '.join(sorted(by_licence[licence]))} |" for licence in sorted(by_licence)]
    return "\n".join(["| licence | packages |", "|---|---|", *rows])


def _is_permissive(licence: str) -> bool:
    """Whether each part that AND joins has a permitted choice. Classifiers that stand side by side are all required."""
    parts = re.split(r" AND |; ", licence.replace("(", "").replace(")", ""))
    return all(any(choice in _PERMISSIVE | {_FILES_ONLY} for choice in part.split(" OR ")) for part in parts)


def _spdx(declared: str) -> str:
    parts = [part.strip() for part in declared.splitlines()[0].split(";")]
    known = [_identifier(part) for part in parts if part not in _NO_LICENCE]
    return "; ".join(dict.fromkeys(known))


def _identifier(part: str) -> str:
    return next((spdx for pattern, spdx in _NAMES if re.fullmatch(pattern, part)), part)


def normalised(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text()))
