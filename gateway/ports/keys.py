"""API keys for predicting, sending labels and operating. An operate key allows everything, others their own purpose.

They are kept as SHA-256 digests, and may be given as digests (`sha256:` and 64 hexadecimal digits). What a client
sends is compared with every one of them, in constant time, so the time of an answer says nothing about how close a
guess was. A key is never shown, in no log and no error.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from gateway.ports.purpose import Purpose
from gateway.ports.tokens import TokenVerifier
from gateway.rows.refusals import BadRequest
from gateway.settings import GatewaySettings, is_loopback
from healing.errors import ConfigError

_DIGEST_PREFIX = "sha256:"  # no key has a colon
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{16,256}")  # what a bearer token may consist of (RFC 6750)


class KeysFile(BaseModel):
    """`{"predict": […], "feedback": […], "operate": […]}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    predict: tuple[SecretStr, ...] = ()
    feedback: tuple[SecretStr, ...] = ()
    operate: tuple[SecretStr, ...] = ()


class KeyRing:
    """Which keys and tokens open what. Without any key and an issuer everything is open: that is for loopback."""

    def __init__(self, keys: Mapping[Purpose, Sequence[SecretStr]], tokens: TokenVerifier | None = None) -> None:
        self._digests = [(_digest(key, purpose), purpose) for purpose, some in keys.items() for key in some]
        self._tokens = tokens
        self.missing = tuple(purpose for purpose in Purpose if not keys.get(purpose)) if tokens is None else ()

    def adopt(self, other: "KeyRing") -> None:
        """Accept the keys of `other` from now on, and no others."""
        self._digests, self.missing = other._digests, other.missing

    @property
    def locked(self) -> bool:
        """Whether a key or a token is asked for."""
        return bool(self._digests) or self._tokens is not None

    def refusal(self, headers: Mapping[bytes, bytes], purpose: Purpose) -> BadRequest | None:
        """None where the request's key is one for this purpose or for operating; else 401 without a good key, 403 with
        a key for something else. A token counts as a key for each of its scopes."""
        if not self.locked or (found := self._purposes(headers)) & {purpose, Purpose.OPERATE}:
            return None
        if found:
            return BadRequest(f"this key is not one to {purpose}", status=403, code="PERMISSION_DENIED")
        message = f"a key to {purpose} is needed: send it as `authorization: Bearer <key>` or as `x-api-key: <key>`"
        return BadRequest(message, status=401, code="UNAUTHENTICATED")

    def _purposes(self, headers: Mapping[bytes, bytes]) -> set[Purpose]:
        """What the sent key is for; every key is compared, whichever fits."""
        sent = _sent(headers)
        if sent is None:
            return set()
        digest = sha256(sent).digest()
        found = {purpose for known, purpose in self._digests if hmac.compare_digest(known, digest)}
        return found if found or self._tokens is None else set(self._tokens.purposes(sent))


def _sent(headers: Mapping[bytes, bytes]) -> bytes | None:
    key = headers.get(b"x-api-key")
    if key is not None:
        return key.strip()
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def _digest(key: SecretStr, purpose: Purpose) -> bytes:
    """A key's digest. ConfigError, which never shows the key, where it is too weak or no header could carry it."""
    secret = key.get_secret_value()
    digest = secret.removeprefix(_DIGEST_PREFIX)
    if digest != secret:
        if not _DIGEST.fullmatch(digest):
            raise ConfigError(
                f"the digest of a {purpose} key has 64 hexadecimal digits, found {len(digest)} characters"
            )
        return bytes.fromhex(digest)
    if not _KEY.fullmatch(secret):
        wanted = "16 to 256 letters, digits and ._~+/=-"
        raise ConfigError(f"a {purpose} key has {wanted}, found {len(secret)} characters; choose another key")
    return sha256(secret.encode()).digest()


class ForcedVersions:
    """Who may name the version that answers: whom the settings allow, and with keys, only who may operate."""

    def __init__(self, keys: KeyRing, *, allowed: bool) -> None:
        self._keys = keys
        self._allowed = allowed

    def demand(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise BadRequest where the request may not."""
        if not self._allowed:
            message = "naming the version that answers is switched off here (--allow-forced-version)"
            raise BadRequest(message, status=403, code="PERMISSION_DENIED")
        refusal = self._keys.refusal(headers, Purpose.OPERATE)
        if refusal is not None:
            message = "naming the version that answers takes an operate key"
            raise BadRequest(message, status=403, code="PERMISSION_DENIED") from refusal


def read_keys(settings: GatewaySettings, tokens: TokenVerifier | None = None) -> KeyRing:
    """The keys of the settings and of their file, beside `tokens`.

    ConfigError where others than this machine could ask without a key.
    """
    file = KeysFile() if settings.keys_file is None else _read_file(settings.keys_file)
    ring = KeyRing(
        {
            Purpose.PREDICT: settings.predict_keys + file.predict,
            Purpose.FEEDBACK: settings.feedback_keys + file.feedback,
            Purpose.OPERATE: settings.operate_keys + file.operate,
        },
        tokens,
    )
    if ring.missing and not is_loopback(settings.host):
        raise ConfigError(
            f"with --host {settings.host} other machines may ask, so each purpose needs keys; found none "
            f"to {', '.join(ring.missing)}: set --keys-file or --oidc-issuer, or listen on 127.0.0.1"
        )
    return ring


def _read_file(path: Path) -> KeysFile:
    """The keys in a JSON file; ConfigError names the file and never what is in it."""
    try:
        return KeysFile.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"the keys file {path} cannot be read: {exc.strerror}; see --keys-file") from exc
    except ValidationError as exc:
        where = ".".join(str(part) for part in exc.errors()[0]["loc"]) or "the file"
        wanted = '{"predict": ["…"], "feedback": ["…"], "operate": ["…"]}'
        # Not `from exc`: pydantic's own text would carry the input along into a traceback.
        raise ConfigError(f"the keys file {path} holds {wanted}, found something else at {where}") from None
