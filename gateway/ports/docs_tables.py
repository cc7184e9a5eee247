"""The tables of docs/gateway.md that the code knows best: settings and metrics.

`python -m gateway.ports.docs_tables docs/gateway.md` writes them into the page; a test finds them there as they are.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.ports.metrics import Metrics
from gateway.ports.request_counts import RequestCounts
from gateway.settings import GatewaySettings


def settings_table() -> str:
    """Every option with its default and meaning."""
    return _table(("option", "default", "meaning"), _settings())


def metrics_table() -> str:
    """Every metric by the name that Prometheus stores."""
    return _table(("metric", "meaning"), _metrics())


def with_tables(page: str) -> str:
    """The page with both tables as they are now; ValueError when it has no place for one."""
    for name, table in (("settings", settings_table()), ("metrics", metrics_table())):
        begin, end = f"<!-- {name}: written by gateway.ports.docs_tables -->", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"expected a place between {begin} and {end}, found none")
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _settings() -> Iterator[tuple[str, ...]]:
    for name, field in GatewaySettings.model_fields.items():
        default = "required" if field.is_required() else f"`{field.default}`"
        yield f"`--{name.replace('_', '-')}`", default, field.description or ""


def _metrics() -> Iterator[tuple[str, ...]]:
    for family in Metrics(RequestCounts()).registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        yield f"`{name}`", family.documentation


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
