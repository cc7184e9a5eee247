import json

import pytest
from typer.testing import CliRunner

from chaos.staging.counts import OracleCounts
from chaos.verdict import Counts
from cli.lab import app


@pytest.fixture
def status(tmp_path):
    """Runs `lab status` on a home whose oracle has just counted `requests`; its exit code and output."""

    def run(requests=None, *options):
        if requests is not None:
            (tmp_path / "lab").mkdir(exist_ok=True)
            OracleCounts(requests=requests, champion="c" * 64, generation=3).write(tmp_path / "lab")
        result = CliRunner().invoke(app, ["status", "--home", str(tmp_path), *options])
        return result.exit_code, result.stdout

    return run


def test_without_a_lab_it_says_how_to_start_one(status):
    code, output = status()
    assert code == 1
    assert "autopilot lab up" in output


def test_requests_are_shown_by_class_and_a_wrong_one_is_a_failure(status):
    code, output = status(Counts(total=5, good=3, degraded=1, failed=1))
    assert code == 0
    assert "champion   cccccccccccc" in output
    assert "total=5 good=3 degraded=1 failed=1 wrong=0" in output
    code, output = status(Counts(total=5, good=4, wrong=1), "--json")
    assert code == 1
    assert json.loads(output)["requests"]["wrong"] == 1


def test_counts_that_nobody_renews_are_no_lab(status, tmp_path):
    status(Counts(total=5, good=5))
    stale = OracleCounts.read(tmp_path / "lab").model_copy(update={"updated_at": 1.0})
    (tmp_path / "lab" / "counts.json").write_text(stale.model_dump_json())
    assert status()[0] == 1
