"""The files of the onboarding benchmark, its memory of a process tree, and its goals."""

import os
import subprocess
import sys

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from benchmarks.onboarding import CASES, Case, Run, figures_of, goals_of, tree_bytes, write_file

MIB = 1 << 20


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_has_its_rows_days_and_columns_and_is_the_same_each_time(tmp_path, suffix):
    case = Case(rows=700, days=35, columns=20, suffix=suffix)
    first, second = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}"
    write_file(case, first)
    write_file(case, second)
    assert first.read_bytes() == second.read_bytes()
    rows = pq.read_table(first) if suffix == "parquet" else pacsv.read_csv(first)
    assert (rows.num_rows, rows.num_columns) == (700, 20)
    assert len(set(rows["id"].to_pylist())) == 700
    assert len({at.date() for at in rows["at"].to_pylist()}) == 35


def test_the_memory_of_a_tree_includes_that_of_children():
    code = f"import sys; held = bytearray({80 * MIB}); print(len(held), flush=True); sys.stdin.read()"
    before = tree_bytes(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        held = tree_bytes(os.getpid()) - before
        child.communicate("")
    assert held > 60 * MIB
    assert tree_bytes(child.pid) == 0


def test_figures_add_seconds_and_take_the_larger_peak_and_goals_are_those_of_the_cases():
    figures = figures_of("million", {"init": Run(10.04, 10**9), "bootstrap": Run(20.0, 12 * 10**8)})
    assert figures["million_seconds"] == 30.0
    assert figures["million_peak_gb"] == 1.2
    assert goals_of(["million", "million_csv"]) == {"million_seconds": ("<=", 90), "million_peak_gb": ("<=", 1.5)}
    assert goals_of(list(CASES)).keys() <= {f"{name}_{end}" for name in CASES for end in ("seconds", "peak_gb")}
