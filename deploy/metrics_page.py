"""The tables of docs/metrics.md: every metric, and every alert.

`python -m deploy.metrics_page docs/metrics.md` writes them into the page; a test checks that they are current.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy import page_tables
from gateway.ports.metrics.page import GATEWAY_METRICS
from healer.metrics import HEALER_METRICS
from releases.exposition import MetricDeclaration

RULES_FOLDER = Path(__file__).parent / "prometheus"
ALL_METRICS = (*GATEWAY_METRICS, *HEALER_METRICS)


def rules() -> list[dict[str, Any]]:
    """Every rule of the rule files: those with `record` and those with `alert`."""
    documents = (yaml.safe_load(path.read_text()) for path in sorted(RULES_FOLDER.glob("*.rules.yml")))
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def with_tables(page: str) -> str:
    """The page with its tables as they are now; ValueError when it has no place for one."""
    tables = {
        "gateway metrics": _table(("metric", "kind", "labels", "meaning"), _metrics(GATEWAY_METRICS)),
        "healer metrics": _table(("metric", "kind", "labels", "meaning"), _metrics(HEALER_METRICS)),
        "alerts": _table(("alert", "severity", "after", "meaning"), _alerts()),
    }
    return page_tables.with_tables(page, "deploy.metrics_page", tables)


def _metrics(declared: Iterable[MetricDeclaration]) -> Iterator[Sequence[str]]:
    for metric in declared:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"`{metric.name}`", metric.kind.value, labels, metric.documentation


def _alerts() -> Iterator[Sequence[str]]:
    for rule in rules():
        if name := rule.get("alert"):
            link = f"[{name}](runbook.md#{name.lower()})"
            yield link, rule["labels"]["severity"], rule.get("for", "at once"), rule["annotations"]["description"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
