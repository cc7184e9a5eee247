import json

import pytest

from chaos.load import read_requests
from chaos.load.answer import Exchange
from chaos.staging.answer_files import AnswerWriter
from chaos.staging.counts import OracleCounts
from chaos.staging.oracle import Oracle
from releases.signing import ensure_keys
from tests.published import bootstrap, corrupt, nan_estimator, publish_tiny_model, tiny_rows

ROWS = tiny_rows(6, seed=3)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "releases"


@pytest.fixture
def champion(root, tmp_path):
    model = publish_tiny_model(root, ensure_keys(tmp_path / "keys"), golden_rows=ROWS)
    bootstrap(root, model)
    return model


@pytest.fixture
def oracle(root, champion, tmp_path):
    running = Oracle.of(root, tmp_path / "lab")
    running.step()
    return running


def expected(root, model):
    """What the signed manifest says, which the oracle does not read."""
    manifest = json.loads((root / "models" / model.digest / "manifest.json").read_bytes())
    return manifest["golden"]["outputs"]


def answered(oracle, row, digest, value, *, rung="champion", status=200):
    head = f"HTTP/1.1 200 OK\r\nx-model-digest: {digest}\r\nx-rung: {rung}".encode()
    body = json.dumps({"predictions": [value]}).encode()
    writer = AnswerWriter(oracle.directory)
    writer(Exchange(0, row, 0.0, 0.0, 1.0, status, head, body))
    writer.close()
    before = dict(oracle.counts.requests)
    oracle.step()
    return [kind for kind, count in oracle.counts.requests if kind != "total" and count > before[kind]]


def test_the_champions_rows_become_requests_that_name_model_and_row(oracle, champion):
    [file] = (oracle.directory / "requests").glob("*.ndjson")
    requests = list(read_requests(file))
    assert [each.row for each in requests] == [f"{champion.digest}/{number}" for number in range(len(ROWS))]
    assert json.loads(requests[2].content)["dataframe_split"]["data"] == [list(ROWS[2])]
    assert (oracle.counts.champion, oracle.counts.generation) == (champion.digest, 1)


def test_answers_are_compared_with_those_of_the_model_that_they_name(oracle, root, champion):
    outputs = expected(root, champion)
    row = f"{champion.digest}/2"
    assert answered(oracle, row, champion.digest, outputs[2]) == ["good"]
    assert answered(oracle, row, champion.digest, outputs[2], rung="fallback") == ["degraded"]
    assert answered(oracle, row, champion.digest, outputs[2] + 1e-6) == ["wrong"]
    assert answered(oracle, row, champion.digest, outputs[3]) == ["wrong"]
    assert answered(oracle, row, champion.digest, outputs[2], status=503) == ["failed"]
    assert answered(oracle, row, "f" * 64, outputs[2]) == ["unverified"]
    assert answered(oracle, row, "", 0.25, rung="baseline") == ["degraded"]
    assert len((oracle.directory / "wrong.jsonl").read_text().splitlines()) == 2
    assert OracleCounts.read(oracle.directory).requests.total == 7


def test_another_model_is_asked_about_the_champions_rows(oracle, root, champion, tmp_path):
    other = publish_tiny_model(root, ensure_keys(tmp_path / "keys"), version="0.2.0", seed=5, golden_rows=ROWS)
    row = f"{champion.digest}/1"
    assert answered(oracle, row, other.digest, expected(root, other)[1]) == ["good"]
    assert answered(oracle, row, other.digest, expected(root, champion)[1]) == ["wrong"]


def test_a_model_that_is_damaged_later_is_still_judged_by_its_intact_copy(oracle, root, champion):
    corrupt(root, champion)
    assert answered(oracle, f"{champion.digest}/0", champion.digest, expected(root, champion)[0]) == ["good"]


def test_a_model_that_was_damaged_before_is_not_judged(root, champion, tmp_path):
    corrupt(root, champion)
    oracle = Oracle.of(root, tmp_path / "lab")
    oracle.step()
    assert not list((tmp_path / "lab").glob("requests/*"))
    assert answered(oracle, f"{champion.digest}/0", champion.digest, 0.5) == ["unverified"]


def test_a_row_for_which_the_model_has_no_number_has_no_right_answer(root, tmp_path):
    rows = [["AA", 0.0, 1], ["AA", 1.0, 1]]
    estimator = nan_estimator()
    keys = ensure_keys(tmp_path / "keys")
    model = publish_tiny_model(root, keys, estimator=estimator, golden_rows=rows[1:])
    asked = publish_tiny_model(root, keys, version="0.2.0", golden_rows=rows)
    bootstrap(root, asked)
    oracle = Oracle.of(root, tmp_path / "lab")
    oracle.step()
    assert answered(oracle, f"{asked.digest}/0", model.digest, 1.0) == ["wrong"]
    assert answered(oracle, f"{asked.digest}/1", model.digest, 1.0) == ["good"]


def test_a_restarted_oracle_continues_its_counts(oracle, root, champion):
    outputs = expected(root, champion)
    assert answered(oracle, f"{champion.digest}/0", champion.digest, outputs[0]) == ["good"]
    again = Oracle.of(root, oracle.directory)
    again.step()
    assert again.counts.requests.total == 1


def test_without_a_release_it_waits(root, tmp_path):
    oracle = Oracle.of(root, tmp_path / "lab")
    oracle.step()
    assert oracle.counts.champion == ""
    assert OracleCounts.read(tmp_path / "lab").updated_at > 0
