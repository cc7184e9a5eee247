import pytest
from jinja2 import UndefinedError

from tasks.runtime.pages import markdown_cell, render_page


@pytest.fixture
def folder(tmp_path):
    blocks = "{% block title %}{{ title }}{% endblock %}{% block content %}{{ text }}{% endblock %}"
    (tmp_path / "small.html.jinja").write_text('{% extends "page.html.jinja" %}' + blocks)
    return tmp_path


def test_a_page_has_the_shared_style_and_escapes_its_values(folder):
    page = render_page(folder, "small.html.jinja", title="<a>", text="<script>alert(1)</script>")
    assert "<title>&lt;a&gt;</title>" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "font: 15px/1.5 system-ui" in page


def test_a_missing_value_is_an_error(folder):
    with pytest.raises(UndefinedError):
        render_page(folder, "small.html.jinja", title="a")


def test_a_cell_of_markdown_has_no_border_line_break_tag_or_code():
    assert markdown_cell("a|b\n <img src=x>\t`c`") == "a\\|b &lt;img src=x&gt; 'c'"
