"""What the page reads from disks: a damaged file is named, and costs its own row or section."""

import json

from gateway.ports.status.disk import RELEASES_SHOWN, ReleaseHistory, read_control_plane
from healing.release import ModelRef, Reason
from tests.published import bootstrap, end_trial, start_canary

CHAMPION, CHALLENGER = ModelRef("a" * 64, "1.0.0"), ModelRef("b" * 64, "1.1.0")


def test_the_release_history_is_newest_first_and_says_why(tmp_path):
    bootstrap(tmp_path, CHAMPION)
    start_canary(tmp_path, CHALLENGER, 0.1)
    history = ReleaseHistory(tmp_path)
    newest, first = history.newest()
    assert (newest["generation"], newest["reason"], newest["challenger"]) == (2, "canary", "1.1.0")
    assert (first["generation"], first["reason"], first["champion"]) == (1, "bootstrap", "1.0.0")
    end_trial(tmp_path, reason=Reason.ABORT, champion=CHAMPION)
    assert [each["generation"] for each in history.newest()] == [3, 2, 1]


def test_a_damaged_release_is_one_row_and_is_read_again(tmp_path):
    bootstrap(tmp_path, CHAMPION)
    start_canary(tmp_path, CHALLENGER, 0.1)
    document = tmp_path / "log" / "00000001.json"
    sound = document.read_bytes()
    document.write_text("{")
    history = ReleaseHistory(tmp_path)
    newest, first = history.newest()
    assert newest["reason"] == "canary"
    assert "00000001.json" in first["error"]
    document.write_bytes(sound)
    assert history.newest()[1]["reason"] == "bootstrap"


def test_no_more_than_the_newest_releases_are_read(tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    for generation in range(1, RELEASES_SHOWN + 6):
        (log / f"{generation:08d}.json").write_text("{}")
    shown = [each["generation"] for each in ReleaseHistory(tmp_path).newest()]
    assert shown == list(range(RELEASES_SHOWN + 5, 5, -1))


def test_an_empty_root_has_no_history(tmp_path):
    assert ReleaseHistory(tmp_path).newest() == []


def test_the_snapshot_has_its_age(tmp_path):
    file = tmp_path / "status.json"
    file.write_text(json.dumps({"pipeline": "tiny", "written_at": "2026-03-01T12:00:00+00:00", "sections": {}}))
    found = read_control_plane(file)
    assert found["error"] == ""
    assert 0 <= found["age_seconds"] < 60
    assert found["sections"] == {}


def test_a_snapshot_that_cannot_be_used_says_why(tmp_path):
    file = tmp_path / "status.json"
    assert "--control-plane-file" in read_control_plane(None)["error"]
    assert "no snapshot yet" in read_control_plane(file)["error"]
    for content, why in (("{", "cannot be read"), ("[]", "another form"), ('{"sections": 3}', "another form")):
        file.write_text(content)
        assert why in read_control_plane(file)["error"]
