"""The exit code says whether the retrain succeeded, not whether there is a new model."""

from datetime import date

import pytest
from typer.testing import CliRunner

import cli.control_plane
import flows.retrain
from cli.main import app
from tasks.rollout.retrain_outcome import RetrainOutcome, RetrainResult


def outcome(result):
    day = date(2013, 2, 28)
    return RetrainOutcome(
        pipeline="flights",
        result=result,
        version="1.0.0",
        digest=None,
        model_sha256="0" * 64,
        trained_from=day,
        trained_until=day,
        until=day,
    )


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (RetrainResult.BOOTSTRAPPED, 0),
        (RetrainResult.PROMOTED, 0),
        (RetrainResult.COMPARED, 0),
        (RetrainResult.NOT_BETTER, 0),
        (RetrainResult.REPEATED, 0),
        (RetrainResult.ABORTED, 1),
        (RetrainResult.INCONCLUSIVE, 1),
    ],
)
def test_only_a_rollout_that_did_not_succeed_fails_the_command(monkeypatch, result, code):
    monkeypatch.setattr(cli.control_plane, "enter", lambda *_: None)
    monkeypatch.setattr(flows.retrain, "retrain", lambda *_, **__: outcome(result))
    ran = CliRunner().invoke(app, ["retrain", "flights", "--json"])
    assert ran.exit_code == code
    assert f'"result": "{result.value}"' in ran.output
