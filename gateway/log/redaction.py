"""Redaction of logged features: columns that are dropped or hashed, and the share of requests that keep their features.

Every answer is logged, whatever the rules: only its features are reduced, before they reach the disk. A hashed value is
`{"hash": code}`. Its code is keyed with a secret, so nobody without the secret can find it by trying values, and equal
values of a column have equal codes. A missing value stays missing, and a dropped column is absent.

The first row of a request gets a fingerprint: the keyed hash of all that was asked. By it a repeated request is
recognised, also after a restart and although the log does not have its features.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import orjson

from gateway.reporting.problems import Condition
from healing.errors import ConfigError
from healing.incident import Cause

_KEY_CHARACTERS_MIN = 32  # 128 bits in hexadecimal digits
_HASH_BYTES = 8
_SHARES = 2 ** (8 * _HASH_BYTES)
_REQUEST_ID, _KEY, _FEATURES = 0, 7, 8  # of a `LogRow`
FINGERPRINT = 15  # place in a `LogRow`, behind all others
HASH = "hash"  # the name in a hashed value


@dataclass(frozen=True, slots=True)
class LogRules:
    """Columns whose values are not logged, columns whose values are hashed, and the share of requests with features."""

    drop: frozenset[str] = frozenset()
    hash: frozenset[str] = frozenset()
    share: float = 1.0

    def __post_init__(self) -> None:
        if both := self.drop & self.hash:
            raise ConfigError(
                f"a column is dropped or hashed, found both for {', '.join(map(repr, sorted(both)))}: name it once, in "
                "--log-drop or in --log-hash"
            )

    @property
    def redact(self) -> bool:
        """Whether anything is left out at all."""
        return bool(self.drop or self.hash) or self.share < 1


class Redaction:
    """Applies the rules to the rows of answered requests. `key` is the secret."""

    def __init__(self, rules: LogRules, key: bytes) -> None:
        self._rules = rules
        self._secret = sha256(key).digest()
        self._unknown: tuple[str, ...] = ()
        self._known: tuple[str, ...] = ()
        self._code = lru_cache(maxsize=4096)(self._code_of)

    def follow(self, columns: Collection[str]) -> None:
        """Compare the rules with the columns that the versions of the active release read.

        A column that no version reads may be misspelt, and what should be redacted would be logged: until the rules or
        the release are right, no features are logged at all.
        """
        self._known = tuple(columns)
        self._unknown = tuple(sorted((self._rules.drop | self._rules.hash) - set(columns)))

    def conditions(self) -> Iterator[Condition]:
        """Why no features are logged."""
        if self._unknown:
            message = (
                f"no features are logged: --log-drop and --log-hash name {', '.join(map(repr, self._unknown))}, which "
                f"no version of the release reads; the columns are {', '.join(self._known)[:500]}; correct `log` in "
                "pipeline.yaml or the gateway's settings, and restart the gateway"
            )
            yield Cause.UNKNOWN, "prediction-log", message

    def rows(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows of one request, with redacted features; the first one with the fingerprint of the request."""
        first = rows[0]
        fingerprint = self._hash(b"request", [first[_KEY], *map(_plain, first[_FEATURES].values())])
        keeps = not self._unknown and self._is_sampled(first[_REQUEST_ID], fingerprint)
        redacted = [
            (*row[:_FEATURES], self._features(row[_FEATURES]) if keeps else {}, *row[_FEATURES + 1 :]) for row in rows
        ]
        padding = (None,) * (FINGERPRINT - len(first))
        redacted[0] = (*redacted[0], *padding, fingerprint)
        return redacted

    def _is_sampled(self, request_id: str, fingerprint: str) -> bool:
        """The same for a request that is sent again; independent of its features, as the hash is keyed."""
        share = self._rules.share
        return share >= 1 or int(self._hash(b"sample", [request_id, fingerprint]), 16) < share * _SHARES

    def _features(self, features: Mapping[str, Any]) -> dict[str, Any]:
        drop, hashed = self._rules.drop, self._rules.hash
        return {
            name: value
            if name not in hashed or value is None
            else {HASH: self._code(name, _plain(value), type(value).__name__)}
            for name, value in features.items()
            if name not in drop
        }

    def _code_of(self, name: str, value: Any, kind: str) -> str:  # noqa: ARG002  `kind` keeps True and 1 apart
        return self._hash(b"column", [name, value])

    def _hash(self, purpose: bytes, values: Sequence[Any]) -> str:
        return blake2b(orjson.dumps(values), key=self._secret, digest_size=_HASH_BYTES, person=purpose).hexdigest()


def _plain(value: Any) -> Any:
    """A value as it is hashed: 3.0 and 3 are the same number, whichever a client sends."""
    return int(value) if type(value) is float and value.is_integer() and abs(value) < 2**53 else value


def read_redaction(rules: LogRules, key_file: Path | None) -> Redaction | None:
    """The redaction by these rules, None where they leave nothing out; ConfigError where the secret is missing."""
    if not rules.redact:
        return None
    wanted = f"a file with a secret of at least {_KEY_CHARACTERS_MIN} characters, such as `openssl rand -hex 32` writes"
    if key_file is None:
        raise ConfigError(f"--log-drop, --log-hash and --log-share need --log-key-file: {wanted}")
    try:
        key = key_file.read_bytes().strip()
    except OSError as exc:
        raise ConfigError(
            f"the key file {key_file} cannot be read: {exc.strerror}; --log-key-file is {wanted}"
        ) from exc
    if len(key) < _KEY_CHARACTERS_MIN:
        raise ConfigError(f"the key file {key_file} has {len(key)} characters; --log-key-file is {wanted}")
    return Redaction(rules, key)
