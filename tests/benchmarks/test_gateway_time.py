"""The figures of the processor time add up, and become the table of docs/benchmarks.md."""

import pytest

from benchmarks.gateway_time import Spent, figures_of
from benchmarks.readme import processor_figures
from benchmarks.serving.parts import Parts

PARTS = Parts(model_alone=0.07, model=0.05, read=0.01, queue=0.005, pipe=0.001, log=0.012)


def test_parts_and_processes_have_the_same_sum():
    figures = figures_of(Spent(loop=0.09, threads=0.004, worker=0.066), PARTS, batch_rows=48.5)
    total = figures["processor_ms_per_request"]
    assert total == pytest.approx(0.16)
    assert sum(value for name, value in figures.items() if name.startswith("part_")) == pytest.approx(total, abs=1e-3)
    assert figures["processor_over_model_alone"] == pytest.approx(0.16 / 0.07, abs=1e-3)


def test_what_is_spent_counts_per_request():
    spent = Spent(loop=3.0, threads=0.5, worker=2.0).per_request(Spent(loop=1.0, threads=0.25, worker=1.0), 1000)
    assert (spent.loop, spent.threads, spent.worker) == (2.0, 0.25, 1.0)


def test_the_table_has_every_part_and_the_model_alone():
    figures = figures_of(Spent(loop=0.09, threads=0.004, worker=0.066), PARTS, batch_rows=48.5)
    table = processor_figures({"figures": figures})
    for shown in (
        "| 0.0500 | 31% |",
        "| 0.0120 | 8% |",
        "in batches of 64 rows | | 0.0700 |",
        "48.5 requests per batch",
    ):
        assert shown in table
