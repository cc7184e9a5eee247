import orjson
import pytest

from gateway.log.predictions import PredictionLog
from gateway.ports.log_requests import take_labels
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
    assert orjson.loads(await take_labels(log, body("near"), OUTPUT)) == {"accepted": 1}
    await take_labels(log, body(1), OUTPUT)
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
        await take_labels(log, body(label), output)
    assert refusal.value.field == "labels.0.label"
