import orjson
import pytest

from gateway.log.predictions import PredictionLog
from gateway.ports.log_requests import take_feedback
from gateway.reporting.problems import ProblemBoard
from gateway.rows.refusals import BadRequest
from releases.output import Output

OUTPUT = Output(kind="label", names=("far", "middle", "near"))


@pytest.fixture
async def log(tmp_path):
    log = PredictionLog(tmp_path, ProblemBoard())
    log.open()
    yield log
    await log.close()


def body(label) -> bytes:
    return orjson.dumps({"labels": [{"request_id": "r", "row": 3, "label": label}]})


async def test_a_label_that_is_text_is_stored_as_its_value(log):
    assert orjson.loads(await take_feedback(log, body("near"), OUTPUT)) == {"accepted": 1}
    await take_feedback(log, body(1), OUTPUT)
    assert [orjson.loads(line)["label"] for line in log.read_labels(0, 10)] == [2.0, 1.0]


@pytest.mark.parametrize(
    ("label", "output", "expected"),
    [
        ("nowhere", OUTPUT, "one of far, middle, near"),
        ("near", None, "a number"),
        ("near", Output(kind="value"), "a number"),
    ],
)
async def test_a_text_that_is_no_label_is_refused(log, label, output, expected):
    with pytest.raises(BadRequest, match=expected) as refusal:
        await take_feedback(log, body(label), output)
    assert refusal.value.field == "labels.0.label"


async def test_outcomes_are_stored_with_or_without_labels(log):
    outcome = {"request_id": "r", "name": "delay_minutes", "value": -3}
    stored = await take_feedback(log, orjson.dumps({"outcomes": [outcome]}), None)
    assert orjson.loads(stored) == {"accepted": 1}
    both = {"outcomes": [outcome], "labels": [{"request_id": "r", "label": 1}]}
    assert orjson.loads(await take_feedback(log, orjson.dumps(both), None)) == {"accepted": 2}
    found = [orjson.loads(line) for line in log.read_outcomes(0, 10)]
    assert [(each["row"], each["name"], each["value"]) for each in found] == [(0, "delay_minutes", -3.0)] * 2


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, None),
        ({"outcomes": []}, "outcomes"),
        ({"outcomes": [{"request_id": "r", "name": "Revenue in EUR", "value": 1}]}, "outcomes.0.name"),
        ({"outcomes": [{"request_id": "r", "name": "revenue", "value": "much"}]}, "outcomes.0.value"),
        ({"outcomes": [{"request_id": "r", "name": "revenue"}]}, "outcomes.0.value"),
    ],
)
async def test_outcomes_that_are_none_are_refused_by_field(log, document, field):
    with pytest.raises(BadRequest) as refusal:
        await take_feedback(log, orjson.dumps(document), None)
    assert refusal.value.field == field
    assert list(log.read_outcomes(0, 10)) == []
