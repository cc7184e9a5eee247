import pytest

from chaos.faults.hidden_directory import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import home_of


@pytest.fixture
def lab(tmp_path):
    home = home_of(tmp_path / "home", "http://127.0.0.1:9")
    (home / "releases" / "flights" / "models").mkdir(parents=True)
    (home / "releases" / "flights" / "log").mkdir()
    return Lab.open(home, "flights", home / "drills" / "one")


def test_nothing_in_the_directory_can_be_read_or_created_until_the_undo(lab):
    fault = prepare(lab)
    root = lab.models.parent
    assert not fault.active()
    fault.inject()
    assert fault.active()
    with pytest.raises(NotADirectoryError):
        (root / "log" / "1.json").read_bytes()
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        (root / "log").mkdir(parents=True)
    fault.undo()
    fault.undo()
    assert not fault.active()
    assert sorted(each.name for each in root.iterdir()) == ["log", "models"]


def test_a_directory_that_somebody_created_meanwhile_is_kept_beside(lab):
    fault = prepare(lab)
    root = lab.models.parent
    fault.inject()
    root.unlink()
    (root / "log").mkdir(parents=True)
    fault.undo()
    assert sorted(each.name for each in root.iterdir()) == ["log", "models"]
    assert [each.suffix for each in root.parent.iterdir() if each.name.startswith(".")] == [".new"]


def test_another_directory_is_refused(lab):
    with pytest.raises(LookupError, match="found 'lake'"):
        prepare(lab, directory="lake")
