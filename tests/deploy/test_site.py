"""The documentation builds as a site: every page has its place and every link and anchor leads somewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from benchmarks.result import PROJECT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, check=False, cwd=PROJECT, capture_output=True, text=True, env=environment)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Loaded(HTMLParser):
    """The addresses that a browser loads by itself for a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        wanted = {"script": "src", "img": "src", "iframe": "src", "link": "href"}.get(tag)
        self.addresses += [value for name, value in attrs if name == wanted and value]


def test_no_page_loads_anything_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert loaded.addresses
        assert [address for address in loaded.addresses if re.match(r"(https?:)?//", address)] == [], page.name


def test_the_first_page_is_the_readme_with_links_to_pages(site):
    start = (site / "index.html").read_text()
    assert "Keeps a tabular model serving" in start
    assert 'href="own-data.html"' in start


def test_links_to_code_are_paths_in_the_repository(site):
    page = (site / "statistics.html").read_text()
    assert "<code>benchmarks/canary.py</code>" in page
    assert "../benchmarks/" not in page
