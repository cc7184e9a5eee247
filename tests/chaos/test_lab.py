import fsspec
import pytest

from chaos.faults.toxic import _reachable
from chaos.lab import Lab
from chaos.staging.target import TARGET_VARIABLE


@pytest.fixture
def target(tmp_path, monkeypatch):
    """Makes a lab of a target with this text."""

    def lab(text):
        (tmp_path / "staging.yaml").write_text(text)
        monkeypatch.setenv(TARGET_VARIABLE, str(tmp_path / "staging.yaml"))
        return Lab.open(tmp_path / "nowhere", "flights", tmp_path)

    return lab


def test_what_a_target_does_not_name_is_refused_with_its_field(target):
    lab = target("gateway: http://gateway.example:8080\n")
    assert lab.gateway == "http://gateway.example:8080"
    with pytest.raises(LookupError, match="target 'staging' on this machine, found no `home`"):
        _ = lab.home
    with pytest.raises(LookupError, match="SQLite ledger that target 'staging' has"):
        _ = lab.ledger_file
    with pytest.raises(LookupError, match="found no `release_root`"):
        lab.manifest("d" * 64)
    assert not lab.is_local


def test_a_manifest_is_read_from_an_object_store_whose_models_are_no_directory(target):
    with fsspec.open("memory://releases/flights/models/abc/manifest.json", "wb") as file:
        file.write(b'{"golden": {}}')
    lab = target("release_root: memory://releases/flights\n")
    assert lab.manifest("abc") == b'{"golden": {}}'
    with pytest.raises(FileNotFoundError):
        lab.manifest("absent")
    with pytest.raises(LookupError, match="as a directory, found 'memory://releases/flights'"):
        _ = lab.models


def test_addresses_of_the_file_replace_those_of_its_home(target, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "addresses.json").write_text('{"gateway": "http://a:1/", "operate": "http://a:2"}')
    lab = target("home: home\noperate: http://b:2\n")
    assert (lab.gateway, lab.operate) == ("http://a:1", "http://b:2")
    assert lab.ledger_file == tmp_path / "home" / "ledger.db"
    assert lab.models == tmp_path / "home" / "releases" / "flights" / "models"


def test_a_stack_whose_releases_are_in_an_object_store_has_no_files_to_damage(tmp_path):
    (tmp_path / "addresses.json").write_text('{"release_root": "s3://bucket/flights"}')
    with pytest.raises(LookupError, match="as a directory, found 's3://bucket/flights'"):
        _ = Lab.open(tmp_path, "flights", tmp_path).models


@pytest.mark.parametrize(
    ("listen", "reached"),
    [("127.0.0.1:81", "127.0.0.1:81"), ("0.0.0.0:81", "proxy.example:81"), ("[::]:81", "proxy.example:81")],
)
def test_a_link_on_all_interfaces_is_reached_at_the_host_of_the_proxy(listen, reached):
    assert _reachable(listen, "http://proxy.example:8474") == reached
