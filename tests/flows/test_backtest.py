"""A backtest of a pipeline that `autopilot init` wrote: a class and a quantity, from their files to their pages."""

import json
import re

import pytest

from cli import progress_output
from cli.backtest import backtest
from flows.ingest import ingest
from tasks.onboarding.draft import OnboardingRequest
from tasks.onboarding.onboard import onboard
from tests.orders import classified, orders, write

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # MLflow about its own types, on import

NAME = "mine"


def prepare(tmp_path, monkeypatch, frame, label):
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    data = write(frame, tmp_path / "orders.csv")
    onboard(OnboardingRequest(name=NAME, data=data, label=label, time="at", key="id"), tmp_path / "pipelines")
    ingest(NAME)


@pytest.mark.parametrize(
    ("frame", "label", "measure"),
    [(classified, "returned", "log-loss"), (lambda: orders().drop(columns="returned"), "cost", "squared error")],
    ids=["class", "quantity"],
)
def test_own_data_are_replayed(tmp_path, monkeypatch, capsys, frame, label, measure):
    prepare(tmp_path, monkeypatch, frame(), label)
    capsys.readouterr()
    backtest(NAME, processes=1, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["measure"], document["configured"]) == (measure, "ours")
    assert document["rows"] == document["scored_rows"] > 200
    losses = {policy["name"]: policy["loss"] for policy in document["policies"]}
    assert {"never", "every_alarm", "ours", "ours_on_drops"} < losses.keys()
    assert 0 < losses["never"] < 0.7  # below the base rate's, which is 1 for a quantity and ln 2 for an even class

    monkeypatch.setattr(progress_output, "LINE_SECONDS", 0.0)
    backtest(NAME, processes=1)
    printed, shown = capsys.readouterr()
    assert re.search(r"^autopilot, every 10 days \*", printed, re.MULTILINE)
    assert f"{losses['never']:.4f}" in printed
    assert "replaying" in shown
    page = (tmp_path / "var" / "reports" / NAME / "backtest.html").read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"(src|href)=\"(?!#)", page)  # it needs no other file
    assert "http://" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
