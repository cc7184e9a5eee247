"""`report.html`: the report and its plots in one file that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.load import Answer
from cli.demo.classify import RequestClass
from cli.demo.plots import plot_batches, plot_check, plot_latency, plot_requests
from cli.demo.report import Report
from tasks.ledger.records import BatchRecord, CheckRecord

TEMPLATE = "report.html.jinja"


@dataclass(frozen=True, slots=True)
class Material:
    """Input of the plots. `checks` maps a title to the records of one check."""

    answers: Sequence[Answer]
    classes: Sequence[RequestClass]
    batches: Sequence[BatchRecord]
    checks: Mapping[str, Sequence[CheckRecord]]


def render(report: Report, material: Material) -> str:
    """The page; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    plots = {
        "requests": plot_requests(material.answers, material.classes),
        "latency": plot_latency(material.answers),
        "batches": plot_batches(material.batches),
        "checks": [plot_check(records, title) for title, records in material.checks.items()],
    }
    return environment.get_template(TEMPLATE).render(report=report, plots=plots)
