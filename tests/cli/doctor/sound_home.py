"""A home with nothing wrong: a small pipeline, a signed release of a real model, a ledger, and no running stack."""

import json
import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from healing.evidence import Evidence
from healing.incident import Cause
from healing.release import Reason, Release
from releases.log import ReleaseLog
from releases.release_signature import sign_release
from releases.signing import ensure_keys
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tests.flows.durability.world import World
from tests.published import BASELINE, publish_tiny_model

PIPELINE = "small"


def build(folder: Path) -> None:
    """Write `folder/home` and `folder/pipelines`."""
    World(folder).build()
    settings = Settings(home=folder / "home", pipelines_dir=folder / "pipelines")
    keys = ensure_keys(settings.keys_dir)
    root = settings.release_root(PIPELINE)
    now = datetime.now(UTC)
    first = Release(
        generation=1,
        created_at=now,
        pipeline=PIPELINE,
        author="test",
        reason=Reason.BOOTSTRAP,
        champion=publish_tiny_model(root, keys),
        baseline=BASELINE,
    )
    ReleaseLog(root).append(first, partial(sign_release, private_key=keys.private))
    with Ledger(settings.ledger_dsn) as ledger:
        ledger.record_evidence(Evidence(PIPELINE, Cause.MODEL_SLOW, "a", "gateway", now, "it was slow"))


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    build(folder)
    return folder


@pytest.fixture
def home(template, tmp_path, monkeypatch):
    """The home of this test; `AUTOPILOT_HOME` and `AUTOPILOT_PIPELINES_DIR` name its folders."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    return tmp_path / "home"


def examine(*words: str) -> tuple[int, list[dict[str, str]]]:
    """The exit code of `autopilot doctor` and its findings. A small disk of the machine is no finding here."""
    result = CliRunner().invoke(app, ["doctor", "--json", "--free-mib", "0", *words], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)
