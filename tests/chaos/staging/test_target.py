import pytest

from chaos.staging.target import TARGET_VARIABLE, Allowed, WrongTarget, active_target, read_target


def written(folder, text):
    path = folder / "staging.yaml"
    path.write_text(text)
    return path


def test_a_target_has_the_name_of_its_file_and_breaks_nothing_without_allow(tmp_path):
    target = read_target(written(tmp_path, "gateway: http://gateway.example:8080/\n"))
    assert (target.name, target.gateway) == ("staging", "http://gateway.example:8080")
    assert not target.allow.allows("noop", "toxic")


def test_drills_are_allowed_by_name_or_pattern_and_faults_by_kind():
    allowed = Allowed(drills=("worker-*",), faults=("toxic",))
    assert allowed.allows("worker-crash", "signal")
    assert allowed.allows("any", "toxic")
    assert not allowed.allows("gateway-kill", "signal")


def test_paths_start_at_the_directory_of_the_file(tmp_path, monkeypatch):
    text = "home: state\nrelease_root: releases/flights\nkeys: /keys\ncredentials: {proxy: {file: token}}\n"
    path = written(tmp_path, text)
    monkeypatch.chdir("/")
    target = read_target(path)
    assert (target.home, target.release_root) == (tmp_path / "state", str(tmp_path / "releases/flights"))
    assert str(target.keys) == "/keys"
    assert target.credentials["proxy"].file == tmp_path / "token"


def test_an_object_store_stays_an_address(tmp_path):
    assert read_target(written(tmp_path, "release_root: s3://bucket/flights\n")).release_root == "s3://bucket/flights"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("gateway: gateway:8080\n", "gateway: .*http://HOST:PORT"),
        ("ledger: mysql://db/ledger\n", "ledger: .*postgresql"),
        ("gatewy: http://a:1\n", "gatewy: Extra inputs"),
        ("credentials: {proxy: {env: A, file: b}}\n", "either `env` or `file`"),
        ("credentials: {proxy: hunter2}\n", "credentials.proxy"),
        ("- a\n", "expected fields such as"),
        ("a: [\n", "no YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(tmp_path, text, problem):
    with pytest.raises(WrongTarget, match=problem):
        read_target(written(tmp_path, text))


@pytest.mark.parametrize("field", ["gateway", "ledger", "proxy"])
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path, field):
    scheme = "postgresql" if field == "ledger" else "http"
    with pytest.raises(WrongTarget, match="name its place in `credentials`") as refused:
        read_target(written(tmp_path, f"{field}: {scheme}://me:hunter2@host:1/x\n"))
    assert "hunter2" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WrongTarget, match=r"absent\.yaml, found No such file"):
        read_target(tmp_path / "absent.yaml")


def test_the_environment_names_the_active_target(tmp_path, monkeypatch):
    monkeypatch.delenv(TARGET_VARIABLE, raising=False)
    assert active_target() is None
    monkeypatch.setenv(TARGET_VARIABLE, str(written(tmp_path, "pipeline: flights\n")))
    assert active_target().pipeline == "flights"
