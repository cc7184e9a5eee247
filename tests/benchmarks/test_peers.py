"""Peers read the model that the project saved, so their locks hold the project's own versions of what reads it."""

import re

import pytest

from benchmarks.result import PROJECT

LOCKS = PROJECT / "requirements"


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ]+)", (LOCKS / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("peer", ["mlserver", "litserve", "bentoml"])
@pytest.mark.parametrize("library", ["scikit-learn", "numpy", "pandas", "joblib"])
def test_a_peer_has_the_projects_version_of_what_reads_the_model(peer, library):
    assert pins(f"peers/{peer}.txt")[library] <= pins("dev.txt")[library]
