import json
import subprocess

import pytest

from chaos.faults.hanging_release import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import home_of

SECONDS_MAX = 60


@pytest.fixture
def log(tmp_path):
    """The log of a release root with one release, and the lab of its home."""
    home = home_of(tmp_path / "home", "http://127.0.0.1:9")
    folder = home / "releases" / "flights" / "log"
    folder.mkdir(parents=True)
    (folder / "00000041.json").write_text(json.dumps({"generation": 41}))
    return folder, Lab.open(home, "flights", home / "drills" / "one")


def test_a_reader_of_the_newest_entry_waits_until_the_undo(log):
    folder, lab = log
    fault = prepare(lab)
    assert not fault.active()
    fault.inject()
    assert [each.name for each in sorted(folder.iterdir())] == ["00000041.json", "00000042.json"]
    assert fault.active()
    with subprocess.Popen(["cat", folder / "00000042.json"], stdout=subprocess.PIPE) as reader:
        with pytest.raises(subprocess.TimeoutExpired):
            reader.wait(0.5)
        fault.undo()
        fault.undo()
        assert reader.wait(SECONDS_MAX) == 0
        assert reader.stdout.read() == b""
    assert not fault.active()
    assert [each.name for each in folder.iterdir()] == ["00000041.json"]


def test_a_release_that_took_the_number_is_left_alone(log):
    folder, lab = log
    fault = prepare(lab)
    (folder / "00000042.json").write_text(json.dumps({"generation": 42}))
    with pytest.raises(FileExistsError):
        fault.inject()
    fault.undo()
    assert json.loads((folder / "00000042.json").read_bytes()) == {"generation": 42}
    assert not fault.active()
