import re

import pytest

from benchmarks.readme import BLOCK, PAGES, README, with_figures
from benchmarks.result import PROJECT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_figures_are_those_of_the_kept_results(page):
    text = page.read_text()
    assert BLOCK.search(text), f"{page.name} has lost its block of figures"
    assert with_figures(text) == text, "run `python -m benchmarks.readme`"


def test_no_figure_stands_outside_the_block_that_is_written():
    """A number with a unit of time or a percentage outside the block would be one that nobody measures again."""
    prose = BLOCK.sub("", README.read_text())
    assert not re.findall(r"\b\d[\d.,]*\s*(?:s|ms|seconds|minutes|%|req/s|requests)\b", prose)


def test_every_link_to_a_file_leads_somewhere():
    for page in (README, *(PROJECT / "docs").rglob("*.md"), PROJECT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
