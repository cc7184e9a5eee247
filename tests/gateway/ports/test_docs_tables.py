"""`docs/gateway.md` says what the code does: every setting with its default, every cause it reports."""

from pathlib import Path

import pytest

from gateway.ports.docs_tables import with_table
from healing.incident import Cause

DOCUMENT = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_as_the_code_has_it():
    assert with_table(DOCUMENT) == DOCUMENT, "run: python -m gateway.ports.docs_tables docs/gateway.md"


def test_a_page_without_a_place_for_it_is_refused():
    with pytest.raises(ValueError, match="expected a place"):
        with_table("# Gateway")


@pytest.mark.parametrize(
    "cause", [Cause.MODEL_CORRUPT, Cause.MODEL_FAILING, Cause.MODEL_SLOW, Cause.DISK_FULL, Cause.STORE_UNAVAILABLE]
)
def test_every_problem_that_it_reports_is_explained(cause):
    assert f"`{cause.value}`" in DOCUMENT
