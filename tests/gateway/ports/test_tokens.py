"""Tokens of an issuer: what is accepted, what is not, and an issuer that is away, slow or wrong."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from contextlib import asynccontextmanager

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.ports.issuer_keys import DISCOVERY, IssuerKeys
from gateway.ports.keys import read_keys
from gateway.ports.purpose import Purpose
from gateway.ports.tokens import TokenRules, TokenVerifier
from gateway.settings import parse_settings
from healing.errors import ConfigError, StoreUnavailable
from tests.gateway.running import run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model

ISSUER, AUDIENCE = "https://id.example.org/realms/ml", "gateway"
REQUIRED = ("--pipeline", "p", "--release-root", "r", "--public-key", "k", "--state-dir", "s")
PRIVATE = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
WRITERS = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
KEY = "operate-key-0123456789"


def key_set(*algorithms, declared=True):
    """A JWK set with the public keys; the name of each is its algorithm."""
    described = [json.loads(WRITERS[each].to_jwk(PRIVATE[each].public_key())) for each in algorithms]
    names = [{"kid": each, "use": "sig", **({"alg": each} if declared else {})} for each in algorithms]
    return json.dumps({"keys": [one | other for one, other in zip(described, names, strict=True)]}).encode()


def token(algorithm="RS256", *, kid=None, key=None, **changes):
    now = time.time()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 600, "scope": "openid gateway:predict"} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    headers = {"kid": kid or algorithm}
    return jwt.encode(claims, key or PRIVATE[algorithm], algorithm, headers=headers).encode()


@pytest.fixture
def verifier():
    made = TokenVerifier(TokenRules(ISSUER, AUDIENCE))
    made.adopt(key_set(*PRIVATE))
    return made


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_token_of_the_issuer_is_for_what_its_scopes_say(verifier, algorithm):
    assert verifier.purposes(token(algorithm)) == {Purpose.PREDICT}
    assert verifier.purposes(token(algorithm, scope="gateway:operate gateway:feedback")) == {
        Purpose.OPERATE,
        Purpose.FEEDBACK,
    }
    assert verifier.purposes(token(algorithm, scope=["gateway:predict"])) == {Purpose.PREDICT}
    assert verifier.purposes(token(algorithm, aud=["other", AUDIENCE])) == {Purpose.PREDICT}
    for without in (None, "", "predict", "gateway:predictions", 7):
        assert verifier.purposes(token(algorithm, scope=without)) == set()


def test_scopes_may_stand_in_another_claim():
    verifier = TokenVerifier(TokenRules(ISSUER, AUDIENCE, "roles", "ml/"))
    verifier.adopt(key_set("RS256"))
    assert verifier.purposes(token(roles=["ml/predict"], scope="gateway:operate")) == {Purpose.PREDICT}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.example.org/realms/other"},
        {"iss": None},
        {"aud": "another-service"},
        {"aud": None},
        {"exp": None},
        {"exp": 1_000_000_000},
        {"exp": "soon"},
        {"nbf": 10**11},
    ],
)
def test_a_token_for_others_or_of_another_time_is_refused(verifier, changes):
    assert verifier.purposes(token(**changes)) == set()


def unsigned(header, claims=None, signature=b""):
    claims = claims or {"iss": ISSUER, "aud": AUDIENCE, "exp": 10**11, "scope": "gateway:operate"}
    parts = [json.dumps(header).encode(), json.dumps(claims).encode()]
    encoded = [base64.urlsafe_b64encode(each).rstrip(b"=") for each in parts]
    body = b".".join(encoded)
    made = signature(body) if callable(signature) else signature
    return body + b"." + base64.urlsafe_b64encode(made).rstrip(b"=")


def test_forged_tokens_are_refused(verifier):
    """No signature; the public key as a shared secret; another key; another algorithm; a changed claim; no token."""
    public = key_set("RS256")

    def shared_secret(body):
        return hmac.new(public, body, hashlib.sha256).digest()

    good = token()
    head, _, signature = good.split(b".")
    forged = [
        unsigned({"alg": "none", "kid": "RS256"}),
        unsigned({"alg": "HS256", "kid": "RS256"}, signature=shared_secret),
        token(key=rsa.generate_private_key(65537, 2048)),
        token("ES256", kid="RS256"),
        jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "exp": 10**11}, PRIVATE["RS256"], "PS256").encode(),
        b".".join([head, unsigned({}).split(b".")[1], signature]),
        good[:-8],
        good + b"." + signature,
        b"..",
        b"a.b.c",
        b"." * 9000,
        b"\xff\xfe.\xff.\xff",
    ]
    assert [verifier.purposes(each) for each in forged] == [frozenset()] * len(forged)
    assert verifier.purposes(good) == {Purpose.PREDICT}


def test_a_key_that_the_issuer_withdraws_opens_nothing_any_more(verifier):
    sent = token("ES256")
    assert verifier.purposes(sent) == {Purpose.PREDICT}
    assert not verifier.wants_keys
    verifier.adopt(key_set("RS256"))
    assert verifier.purposes(sent) == set()
    assert verifier.wants_keys


def test_a_remembered_token_ends_with_its_time(verifier, monkeypatch):
    monkeypatch.setattr("gateway.ports.tokens._LEEWAY_SECONDS", 0.0)
    sent = token(exp=time.time() + 3)
    assert verifier.purposes(sent) == {Purpose.PREDICT}
    wait_until(lambda: verifier.purposes(sent) == set(), "its time is over")


@pytest.mark.parametrize(
    "wrong",
    [b"", b"{", b"[]", b'{"keys": 3}', b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'],
)
def test_a_key_set_that_cannot_be_used_changes_nothing(verifier, wrong):
    with pytest.raises(ConfigError, match="expected a JWK set"):
        verifier.adopt(wrong)
    assert verifier.purposes(token()) == {Purpose.PREDICT}


def test_a_short_key_and_a_private_one_are_not_used(verifier):
    short = rsa.generate_private_key(65537, 1024)
    described = [json.loads(RSAAlgorithm.to_jwk(short.public_key())), json.loads(ECAlgorithm.to_jwk(PRIVATE["ES256"]))]
    with pytest.raises(ConfigError):
        verifier.adopt(json.dumps({"keys": [each | {"kid": "a"} for each in described]}).encode())


def test_keys_without_an_algorithm_verify_those_of_their_kind():
    verifier = TokenVerifier(TokenRules(ISSUER, AUDIENCE))
    verifier.adopt(key_set("RS256", declared=False))
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": 10**11, "scope": "gateway:predict"}
    assert verifier.purposes(jwt.encode(claims, PRIVATE["RS256"], "PS384").encode()) == {Purpose.PREDICT}
    assert verifier.purposes(token("ES256", kid="RS256")) == set()


def settings(*options):
    return parse_settings([*REQUIRED, "--oidc-issuer", ISSUER, *options])


def test_an_issuer_needs_an_audience_and_an_address_that_nobody_can_forge():
    with pytest.raises(ConfigError, match="--oidc-audience"):
        TokenVerifier.of(settings())
    verifier = TokenVerifier.of(settings("--oidc-audience", AUDIENCE))
    for address in ("http://id.example.org/keys", "ftp://id.example.org/keys"):
        with pytest.raises(ConfigError, match="expected an https:// address"):
            IssuerKeys(settings("--oidc-audience", AUDIENCE, "--oidc-keys", address), verifier)
    assert TokenVerifier.of(parse_settings(REQUIRED)) is None


def test_with_an_issuer_other_addresses_need_no_keys():
    made = settings("--oidc-audience", AUDIENCE, "--host", "0.0.0.0")
    assert read_keys(made, TokenVerifier.of(made)).missing == ()


@asynccontextmanager
async def issuer(answer):
    """Address of an issuer whose answer to each path is `answer(path)`: bytes, or None to say nothing."""

    over, handlers = asyncio.Event(), set()

    async def serve(reader, writer):
        handlers.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            content = answer((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
            if content is None:
                await over.wait()
            else:
                writer.write(content)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.close()
        await asyncio.gather(*handlers)


def reply(content, status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\ncontent-length: " + str(len(content)).encode() + b"\r\n\r\n" + content


async def test_keys_are_read_from_where_the_issuer_says():
    def answer(path):
        if path == DISCOVERY:
            return reply(json.dumps({"issuer": address, "jwks_uri": f"{address}/keys"}).encode())
        return reply(key_set("RS256"))

    async with issuer(answer) as address:
        made = parse_settings([*REQUIRED, "--oidc-issuer", address, "--oidc-audience", AUDIENCE])
        verifier = TokenVerifier.of(made)
        keys = IssuerKeys(made, verifier)
        await keys.look()
        assert verifier.purposes(token(iss=address)) == {Purpose.PREDICT}
        await keys.look()  # not due, and no error


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: None,
        lambda _: reply(b"", b"503 Busy"),
        lambda _: reply(b"", b"302 Found\r\nlocation: http://127.0.0.1:9/"),
        lambda _: reply(b"<html>"),
        lambda _: reply(b"0" * (2 << 20)),
        lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
        lambda _: reply(json.dumps({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/k"}).encode()),
    ],
    ids=["silent", "busy", "elsewhere", "no JSON", "large", "cut off", "another issuer"],
)
async def test_an_issuer_that_fails_leaves_the_keys_of_before(answer, monkeypatch):
    monkeypatch.setattr("gateway.ports.issuer_keys._READ_SECONDS_MAX", 0.5)
    async with issuer(answer) as address:
        made = parse_settings([*REQUIRED, "--oidc-issuer", address, "--oidc-audience", AUDIENCE])
        verifier = TokenVerifier.of(made)
        verifier.adopt(key_set("RS256"))
        keys = IssuerKeys(made, verifier)
        for _ in range(2):  # the problem lasts until a read succeeds
            with pytest.raises(StoreUnavailable, match="expected the keys of"):
                await keys.look()
        assert verifier.purposes(token(iss=address)) == {Purpose.PREDICT}


@pytest.mark.timeout(300)
def test_a_gateway_takes_tokens_beside_keys_and_follows_the_issuers_file(tmp_path, keys, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_GATEWAY_OPERATE_KEYS", KEY)
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set("RS256"))
    bootstrap(tmp_path / "releases", publish_tiny_model(tmp_path / "releases", keys))
    options = ("--oidc-issuer", ISSUER, "--oidc-audience", AUDIENCE, "--oidc-keys", str(file))
    with run_gateway(tmp_path / "releases", keys, tmp_path / "gateway", *options) as gateway:

        def status(sent, path="/invocations"):
            headers = {"authorization": f"Bearer {sent if isinstance(sent, str) else sent.decode()}"}
            if path == "/invocations":
                return gateway.ask(**headers).status_code
            return gateway.operate.get(path, headers=headers).status_code

        wait_until(lambda: status(token()) == 200, "it serves")
        assert (status(KEY), status(token("ES256")), status(token(scope="openid"))) == (200, 401, 401)
        assert status(token(), "/release") == 403
        assert status(token(scope="gateway:operate"), "/release") == 200
        file.write_bytes(key_set("ES256"))
        wait_until(lambda: status(token("ES256")) == 200, "the new key of the issuer is known")
        assert status(token()) == 401
        text = gateway.output.read_text()
        assert token().decode().split(".")[1] not in text
        assert KEY not in text
