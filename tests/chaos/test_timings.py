import json
from dataclasses import asdict

import orjson
import pytest

from chaos.controls.timings import conclude, configure_control
from chaos.load import Answer
from chaos.record import ANSWERS, LEDGER, SAMPLES, LedgerEntry, Sample
from chaos.reference_answers import ReferenceAnswers
from chaos.spec import DrillSpec, spec_of

SPEC = DrillSpec.model_validate(
    {
        "name": "model-corruption",
        "indicator": "requests",
        "deadline_seconds": 60,
        "causes": ["model_corrupt"],
        "limits": {"recovery_seconds": 30, "hold_seconds": 1},
    }
)


def write(path, rows):
    path.write_bytes(b"".join(orjson.dumps(asdict(row)) + b"\n" for row in rows))


def answers(start, count, rung, *, late=0.0):
    """One answer every 0.1 s, each `late` seconds after it was due."""
    return [
        Answer(i, "0", at - late, at, at, 200, (0.5,), digest="a", rung=rung, degraded=rung == "fallback")
        for i in range(count)
        if (at := start + i / 10)
    ]


@pytest.fixture
def record(tmp_path):
    """A champion dies at 2.0, a fallback answers, the detector writes at 3.0, and from 4.0 on service is full."""
    write(
        tmp_path / SAMPLES,
        [Sample("fault_active", 1.95, False, "killed"), Sample("fault_active", 1.97, True, "killed")],
    )
    rows = answers(1, 10, "champion") + answers(2, 20, "fallback", late=0.4) + answers(4, 20, "champion")
    write(tmp_path / ANSWERS, rows)
    incident = {"cause": "model_corrupt", "subject": "a"}
    write(
        tmp_path / LEDGER,
        [LedgerEntry(3.0, "incident.opened", "i", incident), LedgerEntry(3.2, "attempt.started", "i", {})],
    )
    ReferenceAnswers(answers={"a": {"0": (0.5,)}}).write(tmp_path)
    return tmp_path


def test_the_findings_contain_every_time_count_and_incident(record):
    findings = conclude(SPEC, record)
    assert findings.timings["t0"] == (1.95, 1.97)
    assert findings.timings["t1"] == (1.95, 2.0)
    assert findings.timings["t5"] == pytest.approx((3.9, 4.0))
    assert findings.durations.recover == pytest.approx((1.93, 2.05))
    assert (findings.requests.total, findings.requests.good, findings.requests.degraded) == (50, 30, 20)
    assert [incident.cause for incident in findings.incidents] == ["model_corrupt"]
    assert findings.unproven == ()


def test_latency_is_over_all_requests_from_when_they_were_due(record):
    latency = conclude(SPEC, record).latency_seconds
    assert latency["p99"] == pytest.approx(0.4)
    assert latency["max"] == pytest.approx(0.4)


def test_a_last_line_cut_off_by_a_kill_is_left_out(record):
    with (record / ANSWERS).open("ab") as file:
        file.write(b'{"index": 99, "row"')
    assert conclude(SPEC, record).requests.total == 50


def test_answers_without_a_reference_are_counted_as_unverified(record):
    ReferenceAnswers(answers={}).write(record)
    assert conclude(SPEC, record).requests.unverified == 50


def test_plain_chaos_run_gets_a_directory_of_its_own(tmp_path):
    experiment = {"extensions": [{"name": "autopilot", "drill": json.loads(SPEC.model_dump_json())}]}
    configuration = {"home": str(tmp_path), "pipeline": "flights", "drill_dir": ""}
    configure_control(configuration, experiment)
    assert configuration["drill_dir"].startswith(str(tmp_path / "drills" / "model-corruption"))


def test_the_runners_directory_is_kept(tmp_path):
    configuration = {"home": str(tmp_path), "pipeline": "flights", "drill_dir": str(tmp_path / "mine")}
    configure_control(configuration, {})
    assert configuration["drill_dir"] == str(tmp_path / "mine")


def test_an_experiment_without_a_promise_is_refused():
    with pytest.raises(ValueError, match=r"docs/drills\.md"):
        spec_of({"extensions": []})
