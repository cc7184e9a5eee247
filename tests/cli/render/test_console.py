"""Reports in a terminal have colours and fit its width; in a pipe they have neither colour nor wrapped records."""

import pytest
from rich.cells import cell_len

from chaos.experiment_files import experiments
from cli.render.console import print_parts
from cli.render.document import document_parts
from cli.render.drill import drill_list_parts
from cli.render.parts import Headline, duration, fields, number, word

ESCAPE = "\x1b["


@pytest.fixture
def terminal(monkeypatch):
    """Rich takes the standard output for a terminal, with colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def pipe(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def printed(capsys, parts):
    print_parts(parts)
    return capsys.readouterr().out


def report():
    return [Headline("flights:", word("FAIL")), *drill_list_parts(experiments())]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_report_fits_the_width_of_the_terminal(terminal, capsys, width):
    terminal.setenv("COLUMNS", str(width))
    terminal.setenv("TERM", "dumb")  # plain characters, to be counted
    text = printed(capsys, report())
    assert max(cell_len(line) for line in text.splitlines()) <= max(width, 80)  # rich takes a dumb terminal for 80 wide


def test_a_narrow_terminal_wraps_the_last_column(terminal, capsys):
    terminal.setenv("NO_COLOR", "1")
    terminal.setenv("COLUMNS", "60")
    lines = printed(capsys, drill_list_parts(experiments())).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert max(map(cell_len, lines)) <= 60
    assert len(lines) > len(experiments()) + 1


def test_a_terminal_gets_colours_and_a_frame(terminal, capsys):
    text = printed(capsys, report())
    assert "\x1b[1;31mFAIL" in text
    assert "╭" in text


def test_no_color_and_a_dumb_terminal_get_none(terminal, capsys):
    terminal.setenv("NO_COLOR", "1")
    assert "31mFAIL" not in printed(capsys, report())
    terminal.delenv("NO_COLOR")
    terminal.setenv("TERM", "dumb")
    assert ESCAPE not in printed(capsys, report())


def test_a_pipe_gets_one_plain_line_per_record(pipe, capsys):
    first, names, *lines = printed(capsys, report()).splitlines()
    assert first == "flights: FAIL"
    assert names.split() == ["drill", "tier", "what", "happens"]
    assert len(lines) == len(experiments())
    assert not any(line.endswith(" ") or ESCAPE in line for line in lines)


def test_text_that_looks_like_markup_is_printed_as_it_is(pipe, capsys):
    assert printed(capsys, [fields([("note", "[red]a[/red] :smile: [x]")])]) == "note  [red]a[/red] :smile: [x]\n"


def test_a_document_has_names_in_words_and_lists_as_tables(pipe, capsys):
    document = {
        "pipeline": "my_pipeline",
        "ended": True,
        "share": 0.123456,
        "note": None,
        "batches": ["a", "b"],
        "rows": {"received": 3, "lost": 0},
        "tables": [
            {"name": "x", "deleted_files": 2, "why": {"age": 3}},
            {"name": "y", "deleted_files": 0, "why": None},
        ],
    }
    lines = [" ".join(line.split()) for line in printed(capsys, document_parts(document)).splitlines()]
    assert lines == [
        "pipeline my_pipeline",
        "ended yes",
        "share 0.1235",
        "batches a, b",
        *("", "rows", "received 3", "lost 0"),
        *("", "tables", "name deleted files why", "x 2 age 3", "y 0"),
    ]
    assert printed(capsys, document_parts([])) == "\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (13_200, "13,200"), (6.943189, "6.943"), (0.00012, "0.00012"), (-2.5, "-2.5")],
)
def test_numbers_have_four_significant_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.04, "0.0 s"), (42.4, "42 s"), (125, "2 min"), (7_300, "2 h"), (200_000, "2 d")],
)
def test_durations_are_in_their_largest_unit(seconds, text):
    assert duration(seconds) == text
