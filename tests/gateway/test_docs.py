"""`docs/gateway.md` says what the code does: every setting with its default, every metric, every cause it reports."""

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from healing.incident import Cause

DOCUMENT = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")


def row_of(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{field.default}`"
    return f"| `--{name.replace('_', '-')}` | {default} | {field.description} |"


@pytest.mark.parametrize("name", GatewaySettings.model_fields)
def test_every_setting_has_its_row(name):
    assert row_of(name, GatewaySettings.model_fields[name]) in DOCUMENT


def test_every_metric_is_documented_and_no_other():
    families = {family.name: family for family in Metrics().registry.collect()}
    names = {name + ("_total" if family.type == "counter" else "") for name, family in families.items()}
    assert set(re.findall(r"`(gateway_[a-z_]+)(?:\{[a-z]+\})?`", DOCUMENT)) == names


@pytest.mark.parametrize("cause", [Cause.MODEL_CORRUPT, Cause.MODEL_FAILING, Cause.DISK_FULL, Cause.STORE_UNAVAILABLE])
def test_every_problem_that_it_reports_is_explained(cause):
    assert f"`{cause.value}`" in DOCUMENT
