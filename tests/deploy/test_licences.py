"""docs/licences.md is current, every licence is permissive, and the bill of materials lists every pin of the lock."""

import json
import re
import subprocess
import sys

import pytest

from deploy.licences import DEVELOPMENT, PROJECT, RUNTIME, installed_licences, locked, objections, with_tables

PAGE = PROJECT / "docs" / "licences.md"


def test_the_page_is_current():
    page = PAGE.read_text()
    assert with_tables(page) == page, "run `python -m deploy.licences docs/licences.md`"


def test_every_package_of_the_locks_is_permissively_licensed():
    licences = installed_licences()
    pinned = {name for lock in (RUNTIME, DEVELOPMENT) for name in locked(lock)}
    of_locks = {name: licences[name] for name in pinned & licences.keys()}
    assert len(of_locks) > 200
    assert objections(of_locks) == {}


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "MIT AND LGPL-2.1-or-later", "MIT; GPL", "UNKNOWN", ""])
def test_any_other_licence_is_objected_to(licence):
    assert objections({"package": licence, "fine": "MIT AND (Apache-2.0 OR GPL-2.0-only)"}) == {"package": licence}


def test_the_bill_of_materials_has_every_pin_with_its_hashes(tmp_path):
    command = re.search(r"cyclonedx-py (requirements .*?) \\\n", (PROJECT / "Makefile").read_text())[1].split()
    written = tmp_path / "sbom.json"
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", *command, "--output-file", str(written)], check=True, cwd=PROJECT
    )
    components = json.loads(written.read_text())["components"]
    assert {component["name"] for component in components} == set(locked(RUNTIME))
    assert all(component["externalReferences"][0]["hashes"] for component in components)
