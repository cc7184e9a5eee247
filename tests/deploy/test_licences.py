"""docs/licences.md is current, every licence is permissive, and the bill of materials lists every pin of the lock."""

import json

import pytest
from cyclonedx.output.json import JsonV1Dot6

from deploy.licences import DEVELOPMENT, PROJECT, RUNTIME, installed_licences, locked, objections, with_tables
from deploy.sbom import bill_of_materials

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


def test_the_bill_of_materials_has_every_pin_with_its_hashes_and_licences():
    licences = {"numpy": "BSD-3-Clause AND MIT", "uvloop": "Apache-2.0; MIT"}
    written = JsonV1Dot6(bill_of_materials(RUNTIME.read_text(), licences)).output_as_string()
    components = json.loads(written)["components"]
    assert {component["name"] for component in components} == set(locked(RUNTIME))
    assert all(component["externalReferences"][0]["hashes"] for component in components)
    shown = {component["name"]: component["licenses"] for component in components if "licenses" in component}
    assert [each["expression"] for each in shown["numpy"]] == ["BSD-3-Clause AND MIT"]
    assert [each["license"]["id"] for each in shown["uvloop"]] == ["Apache-2.0", "MIT"]


def test_a_pin_without_a_hash_is_refused():
    with pytest.raises(ValueError, match=r"expected a hash for numpy==2\.4\.1"):
        bill_of_materials("numpy==2.4.1\n", {})
