"""Every cause has a detector, and the detector's code names the cause."""

from pathlib import Path

import pytest

from healing.detectors import DETECTORS, Detector
from healing.incident import Cause

PROJECT = Path(__file__).parents[2]
CODE = {
    Detector.INGESTION: ("tasks/ingestion",),
    Detector.MONITOR: ("tasks/monitoring", "healing/window_diagnosis.py"),
    Detector.ROLLOUT: ("tasks/rollout",),
    Detector.GATEWAY: ("gateway",),
    Detector.HEALER: ("tasks/incidents",),
}


def source(detector: Detector) -> str:
    paths = [PROJECT / name for name in CODE[detector]]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))]
    return "\n".join(file.read_text() for file in files)


def test_every_cause_has_a_detector():
    assert set(DETECTORS) == set(Cause)
    assert all(DETECTORS.values())


@pytest.mark.parametrize("detector", Detector)
def test_a_detector_names_the_causes_that_it_detects(detector):
    code = source(detector)
    causes = [cause for cause, detectors in DETECTORS.items() if detector in detectors]
    assert causes
    assert [cause for cause in causes if f"Cause.{cause.name}" not in code] == []
