"""The section `monitor:`: described, bounded and documented."""

import pytest
from pydantic import ValidationError

from benchmarks.result import PROJECT
from tasks.config.monitor_section import Monitor
from tasks.monitoring.column_drift import DriftRule


def test_each_setting_is_described_and_documented_with_its_default():
    page = (PROJECT / "docs" / "monitoring.md").read_text()
    rows = {line for line in page.splitlines() if line.startswith("| `")}
    for name, field in Monitor.model_fields.items():
        assert field.description
        documented = [row for row in rows if f"`{name}`" in row.split("|")[1]]
        assert len(documented) == 1, name
        assert str(field.default) in documented[0].split("|")[2], name


@pytest.mark.parametrize("name", ["drift_alpha", "data_alpha", "quality_alpha"])
@pytest.mark.parametrize("value", [0, -0.1, 0.6])
def test_a_false_alarm_rate_is_above_zero_and_at_most_one_half(name, value):
    with pytest.raises(ValidationError, match=name):
        Monitor(**{name: value})


def test_thresholds_reach_the_drift_rule():
    rules = Monitor(rows_min=50, drift_alpha=0.001, drift_distance_min=0.3)
    assert DriftRule.of(rules) == DriftRule(rows_min=50, alpha=0.001, distance_min=0.3)
    assert DriftRule.of(Monitor(rows_min=50)) == DriftRule(rows_min=50)
