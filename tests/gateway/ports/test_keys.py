"""Who may ask what: keys, their purposes, and that no key is ever shown."""

import json
import subprocess
from hashlib import sha256

import pytest

from gateway.ports.keys import KeyRing, read_keys
from gateway.ports.purpose import Purpose
from gateway.settings import parse_settings
from healing.errors import ConfigError
from tests.gateway.running import gateway_command, run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model

PREDICT, FEEDBACK, OPERATE = "predict-key-0123456789", "feedback-key-0123456789", "operate-key-0123456789"
KEYS = {"predict": [PREDICT], "feedback": [FEEDBACK], "operate": [OPERATE, "second-" + OPERATE]}
LABELS = {"labels": [{"request_id": "r", "label": 1}]}


def settings(*options: str):
    required = ("--pipeline", "p", "--release-root", "r", "--public-key", "k", "--state-dir", "s")
    return parse_settings([*required, *options])


def headers_of(key: str) -> dict[bytes, bytes]:
    return {b"x-api-key": key.encode()}


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KEYS))
    return path


@pytest.fixture
def ring(keys_file) -> KeyRing:
    return read_keys(settings("--keys-file", str(keys_file)))


@pytest.mark.parametrize(
    ("key", "opened"),
    [
        (PREDICT, {Purpose.PREDICT}),
        (FEEDBACK, {Purpose.FEEDBACK}),
        (OPERATE, set(Purpose)),
        ("second-" + OPERATE, set(Purpose)),
        ("x" * 16, set()),
        (PREDICT[:-1], set()),
        ("", set()),
    ],
)
def test_a_key_opens_its_own_purpose_and_an_operate_key_everything(ring, key, opened):
    assert {purpose for purpose in Purpose if ring.refusal(headers_of(key), purpose) is None} == opened


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({b"authorization": b"Bearer " + PREDICT.encode()}, None),
        ({b"authorization": b"bearer  " + PREDICT.encode() + b" "}, None),
        ({b"authorization": b"Basic " + PREDICT.encode()}, 401),
        ({b"authorization": PREDICT.encode()}, 401),
        ({b"authorization": b"\xff\xfe"}, 401),
        ({}, 401),
        (headers_of(FEEDBACK), 403),
    ],
)
def test_a_key_comes_as_bearer_or_in_a_header_of_its_own(ring, headers, status):
    refusal = ring.refusal(headers, Purpose.PREDICT)
    assert (refusal and refusal.status) == status


def test_a_key_given_as_its_digest_opens_the_same(tmp_path):
    digest = sha256(PREDICT.encode()).hexdigest()
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"predict": [f"sha256:{digest}"], "operate": [OPERATE]}))
    ring = read_keys(settings("--keys-file", str(path)))
    assert ring.refusal(headers_of(PREDICT), Purpose.PREDICT) is None
    for sent in (digest, f"sha256:{digest}", OPERATE[:-1]):
        assert ring.refusal(headers_of(sent), Purpose.PREDICT).status == 401
    path.write_text(json.dumps({"predict": [f"sha256:{digest[:-1]}"]}))
    with pytest.raises(ConfigError, match="64 hexadecimal digits, found 63 characters") as refusal:
        read_keys(settings("--keys-file", str(path)))
    assert digest[:-1] not in str(refusal.value)


def test_without_any_key_everything_is_open():
    assert KeyRing({}).refusal({}, Purpose.OPERATE) is None


def test_keys_of_settings_and_file_are_added_up(keys_file, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_GATEWAY_PREDICT_KEYS", f"{'a' * 16}, {'b' * 16}")
    ring = read_keys(settings("--keys-file", str(keys_file)))
    for key in ("a" * 16, "b" * 16, PREDICT):
        assert ring.refusal(headers_of(key), Purpose.PREDICT) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_beyond_loopback_every_purpose_needs_keys(host, keys_file):
    with pytest.raises(ConfigError, match="predict, feedback, operate"):
        read_keys(settings("--host", host))
    with pytest.raises(ConfigError, match="feedback, operate"):
        read_keys(settings("--host", host, "--predict-keys", PREDICT))
    assert read_keys(settings("--host", host, "--keys-file", str(keys_file))).missing == ()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"predict": "secret-0123456789"}', '{"a": ["secret-0123456789"]}', '{"predict": ["secret"]}']
)
def test_a_keys_file_that_is_wrong_is_told_without_what_is_in_it(content, tmp_path):
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ConfigError) as refusal:
        read_keys(settings("--keys-file", str(tmp_path / "keys.json")))
    assert "secret" not in str(refusal.value)


def test_a_keys_file_that_is_not_there_is_told():
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(settings("--keys-file", "/nowhere/keys.json"))


def test_settings_never_show_a_key():
    assert PREDICT not in repr(settings("--predict-keys", PREDICT))


def test_on_another_address_it_does_not_start_without_keys(root, keys, state_dir):
    command = gateway_command(root, keys, state_dir, "--host", "0.0.0.0", "--port", "0", "--operate-port", "0")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 2
    assert "--keys-file" in ended.stderr
    assert "gateway_listening" not in ended.stderr


@pytest.fixture(scope="module")
def locked(tmp_path_factory, keys):
    """A gateway on loopback that asks for keys all the same, and what it logs."""
    home = tmp_path_factory.mktemp("locked")
    (home / "keys.json").write_text(json.dumps(KEYS))
    champion = publish_tiny_model(home / "releases", keys)
    bootstrap(home / "releases", champion)
    with run_gateway(home / "releases", keys, home / "gateway", "--keys-file", str(home / "keys.json")) as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        yield gateway, champion


OPEN = [
    ("predict", path) for path in ("/ping", "/health", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json")
]
LOCKED = [
    ("predict", path) for path in ("/version", "/v2", "/v2/models/tiny", "/v2/models/tiny/ready", "/v2/models/stats")
] + [("operate", path) for path in ("/metrics", "/release", "/predictions", "/shadow", "/nowhere")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("port", "path"), [*OPEN, ("operate", "/health"), ("operate", "/docs")])
def test_health_and_its_own_description_are_open(locked, port, path):
    assert getattr(locked[0], port).get(path).status_code == 200


@pytest.mark.timeout(300)
def test_health_names_the_model_only_to_a_client_with_a_key(locked):
    client, accept = locked[0].predict, {"accept": "application/json"}
    assert client.get("/health", headers=accept).json() == {"state": "serving"}
    assert client.get("/health", headers={**accept, "x-api-key": FEEDBACK}).json() == {"state": "serving"}
    assert client.get("/health", headers={**accept, "x-api-key": PREDICT}).json()["champion"]["version"] == "0.1.0"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("port", "path"), LOCKED)
def test_everything_else_asks_for_a_key(locked, port, path):
    client = getattr(locked[0], port)
    reply = client.get(path)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Bearer realm="gateway"')
    assert client.get(path, headers={"x-api-key": FEEDBACK}).status_code == 403
    assert client.get(path, headers={"authorization": f"Bearer {OPERATE}"}).status_code in (200, 404)


@pytest.mark.timeout(300)
def test_predictions_labels_and_forced_versions_take_their_keys(locked):
    gateway, champion = locked
    assert gateway.ask().status_code == 401
    assert gateway.ask(x_api_key=PREDICT).status_code == 200
    assert gateway.ask(x_api_key=PREDICT, x_model_digest=champion.digest).status_code == 403
    assert gateway.ask(x_api_key=OPERATE, x_model_digest=champion.digest).status_code == 200
    for port in (gateway.predict, gateway.operate):
        statuses = [
            port.post("/feedback", json=LABELS, headers={"x-api-key": key}).status_code for key in (PREDICT, FEEDBACK)
        ]
        assert statuses == [403, 200]


@pytest.mark.timeout(300)
def test_no_key_is_in_the_log_or_at_release(locked):
    gateway = locked[0]
    state = gateway.operate.get("/release", headers={"x-api-key": OPERATE}).text
    shown = gateway.output.read_text() + state
    assert not [key for some in KEYS.values() for key in some if key in shown]


@pytest.mark.timeout(300)
def test_keys_are_replaced_without_a_restart_and_a_file_that_cannot_be_used_changes_nothing(tmp_path, keys):
    file, new = tmp_path / "keys.json", "new-" + PREDICT
    file.write_text(json.dumps(KEYS))
    bootstrap(tmp_path / "releases", publish_tiny_model(tmp_path / "releases", keys))
    with run_gateway(tmp_path / "releases", keys, tmp_path / "gateway", "--keys-file", str(file)) as gateway:

        def status(key):
            return gateway.ask(x_api_key=key).status_code

        def problems():
            reply = gateway.operate.get("/release", headers={"x-api-key": OPERATE}).json()
            return [problem["message"] for problem in reply["problems"] if problem["subject"] == "keys_file"]

        wait_until(lambda: status(PREDICT) == 200, "it serves")
        file.write_text(json.dumps(KEYS | {"predict": [new]}))
        wait_until(lambda: status(new) == 200, "the new key is accepted")
        assert status(PREDICT) == 401
        for broken in ("{", json.dumps({}), json.dumps({"predict": ["short"]})):
            file.write_text(broken)
            wait_until(problems, f"{broken} is reported")
            assert (status(new), status(PREDICT), gateway.ask().status_code) == (200, 401, 401)
            assert PREDICT not in problems()[0]
            file.write_text(json.dumps(KEYS | {"predict": [new]}))
            wait_until(lambda: not problems(), "the file is right again")
