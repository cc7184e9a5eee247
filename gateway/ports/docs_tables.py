"""The table of docs/gateway.md that the code knows best: the settings.

`python -m gateway.ports.docs_tables docs/gateway.md` writes it into the page; a test checks that it is current.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.settings import GatewaySettings


def settings_table() -> str:
    """Every option with its default and meaning."""
    return _table(("option", "default", "meaning"), _settings())


def with_table(page: str) -> str:
    """The page with the table as it is now; ValueError when it has no place for it."""
    begin, end = "<!-- settings: written by gateway.ports.docs_tables -->", "<!-- end of settings -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"expected a place between {begin} and {end}, found none")
    return f"{before}{begin}\n{settings_table()}\n{end}{after}"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _settings() -> Iterator[tuple[str, ...]]:
    for name, field in GatewaySettings.model_fields.items():
        default = "required" if field.is_required() else f"`{field.default}`"
        yield f"`--{name.replace('_', '-')}`", default, field.description or ""


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
