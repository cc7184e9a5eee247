"""Tokens of an OpenID Connect issuer (JWT, RFC 7519): who may predict, send labels and operate, by their scopes.

Signature, issuer, audience and time are verified with the issuer's published keys. Only asymmetric algorithms are
accepted, so that a public key is never taken for a shared secret. A token that was verified is remembered for a minute,
because verification costs more than a prediction.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from gateway.ports.purpose import Purpose
from gateway.settings import GatewaySettings
from healing.errors import ConfigError

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
RSA_BITS_MIN = 2048
_LEEWAY_SECONDS = 30.0  # between the clocks of issuer and gateway
_TOKEN_BYTES_MAX = 8192
_REMEMBERED_SECONDS, _REMEMBERED_MAX = 60.0, 4096


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say. A scope is `scope_prefix` and a purpose, in the claim `scope_claim`."""

    issuer: str
    audience: str
    scope_claim: str = "scope"
    scope_prefix: str = "gateway:"


@dataclass(frozen=True, slots=True)
class _Key:
    """A public key, and the only algorithm that it is for, if the issuer says so."""

    public: Any
    algorithm: str | None


class TokenVerifier:
    """Knows the issuer's keys once they were read. A token that names another key sets `wants_keys`."""

    def __init__(self, rules: TokenRules) -> None:
        self.rules = rules
        self.wants_keys = True
        self._keys: Mapping[str, _Key] = {}
        self._verified: dict[bytes, tuple[frozenset[Purpose], float]] = {}

    @classmethod
    def of(cls, settings: GatewaySettings) -> Self | None:
        """None without an issuer; ConfigError for one without an audience, or without the extra `oidc`."""
        if settings.oidc_issuer is None:
            return None
        if settings.oidc_audience is None:
            raise ConfigError(
                "--oidc-issuer needs --oidc-audience, the name of this gateway in the tokens: without it, a token for "
                "another service would be accepted"
            )
        try:
            import jwt  # noqa: F401
        except ImportError as exc:
            raise ConfigError("--oidc-issuer needs the extra `oidc`: pip install 'mlops-autopilot[oidc]'") from exc
        rules = (settings.oidc_issuer, settings.oidc_audience, settings.oidc_scope_claim, settings.oidc_scope_prefix)
        return cls(TokenRules(*rules))

    def adopt(self, key_set: bytes) -> int:
        """Use the keys of this JWK set from now on, and return how many; ConfigError if none of them can be used."""
        keys = _usable_keys(key_set)
        if not keys:
            raise ConfigError("expected a JWK set with an RSA key of 2048 bits, an EC or an Ed25519 key, found none")
        self._keys, self.wants_keys = keys, False
        self._verified.clear()
        return len(keys)

    def purposes(self, token: bytes) -> frozenset[Purpose]:
        """What the token is for; nothing for one that is not valid now."""
        if len(token) > _TOKEN_BYTES_MAX or token.count(b".") != 2:
            return frozenset()
        digest, now = sha256(token).digest(), time.time()
        known = self._verified.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        claims = self._verify(token)
        if claims is None:
            return frozenset()
        found = self._scopes(claims)
        if len(self._verified) >= _REMEMBERED_MAX:
            self._verified.clear()
        self._verified[digest] = found, min(now + _REMEMBERED_SECONDS, float(claims["exp"]) + _LEEWAY_SECONDS)
        return found

    def _verify(self, token: bytes) -> Mapping[str, Any] | None:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header.get("kid"))
            algorithm = header.get("alg")
            if key is None or algorithm not in ALGORITHMS or key.algorithm not in (algorithm, None):
                return None
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key.public,
                algorithms=[algorithm],
                audience=self.rules.audience,
                issuer=self.rules.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return None
        return claims

    def _key(self, name: object) -> "_Key | None":
        """The key of this name; the only one for a token that names none."""
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        found = self._keys.get(name) if isinstance(name, str) else None
        self.wants_keys |= found is None
        return found

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[Purpose]:
        found = claims.get(self.rules.scope_claim, ())
        scopes: Sequence[Any] = found.split() if isinstance(found, str) else found if isinstance(found, list) else ()
        return frozenset(purpose for purpose in Purpose if f"{self.rules.scope_prefix}{purpose}" in scopes)


def _usable_keys(key_set: bytes) -> Mapping[str, _Key]:
    """The keys for signatures by their names. ConfigError for what is no JWK set."""
    import orjson

    try:
        described = [each for each in orjson.loads(key_set)["keys"] if isinstance(each, dict)]
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError('expected a JWK set like {"keys": […]}, found something else') from exc
    read = {str(each.get("kid", "")): _read_key(each) for each in described}
    return {name: key for name, key in read.items() if key is not None}


def _read_key(described: Mapping[str, Any]) -> _Key | None:
    """None for a key that is not for signatures, too short, not public, or of an unknown kind."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt import PyJWK, PyJWTError

    if described.get("use", "sig") != "sig" or described.get("kty") == "oct":
        return None
    try:
        key = PyJWK(dict(described))
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    is_short = isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS_MIN
    if is_short or hasattr(key.key, "private_bytes") or key.algorithm_name not in ALGORITHMS:
        return None
    return _Key(key.key, described.get("alg"))
