"""A gateway process that redacts what it logs: no file and no document has the values that it leaves out."""

import json

import pytest

from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model, raising_estimator

pytestmark = pytest.mark.timeout(300)
SECRET = "PLANTED-CARRIER"


def test_left_out_values_are_nowhere_and_a_misspelt_column_stops_the_logging_of_features(
    root, keys, state_dir, tmp_path
):
    """`SECRET` makes the champion raise with a message that quotes it; the fallback answers."""
    champion = publish_tiny_model(root, keys, version="0.2.0", estimator=raising_estimator())
    bootstrap(root, champion, fallbacks=(publish_tiny_model(root, keys),))
    key_file = tmp_path / "log.key"
    key_file.write_text("5ec7e7" * 8)
    options = ("--log-hash", "carrier", "--log-key-file", str(key_file))
    with run_gateway(root, keys, state_dir, *options, "--log-drop", "distance") as gateway:
        gateway.wait_for_generation(1)
        for _ in range(8):
            assert gateway.ask([[SECRET, 1.375, 3], ["AA", 2.0, 4]]).status_code == 200
        probe = gateway.ask([[SECRET, 1.375, 3]], x_model_digest=champion.digest)
        assert probe.status_code == 502
        lines = [json.loads(line) for line in gateway.operate.get("/predictions").text.splitlines()]
        told = [probe.text, *(gateway.operate.get(path).text for path in ("/predictions", "/release", "/metrics"))]
        assert gateway.problems() == set()
        assert gateway.stop() == 0
        told.append(gateway.output.read_text())
    assert len(lines) == 16
    assert all(line["features"].keys() == {"carrier", "hour"} for line in lines)
    assert len({line["features"]["carrier"]["hash"] for line in lines}) == 2
    told += [path.read_text(errors="replace") for path in state_dir.rglob("*") if path.is_file()]
    assert not [text for text in told if SECRET in text or "1.375" in text or "5ec7e75ec7e7" in text]

    with run_gateway(root, keys, state_dir, *options, "--log-drop", "distanse") as gateway:
        gateway.wait_for_generation(1)
        wait_until(lambda: ("unknown", "prediction-log") in gateway.problems(), "the misspelt column is reported")
        assert gateway.ask([[SECRET, 1.375, 3]]).status_code == 200
        last = gateway.operate.get("/predictions").text.splitlines()[-1]
        assert json.loads(last)["features"] == {}
