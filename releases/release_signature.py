"""Signatures of release documents, by the key that signs models: ECDSA on P-256 with SHA-256, in base64."""

import base64
import binascii
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from healing.errors import ConfigError, StoreUnavailable
from healing.release import Release
from releases.document import signed_content

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey


def sign_release(release: Release, private_key: Path) -> Release:
    """The release with the signature of its document."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signature = _private_key(private_key.read_bytes()).sign(signed_content(release), ec.ECDSA(hashes.SHA256()))
    return replace(release, signature=base64.b64encode(signature).decode())


def is_signed_by(release: Release, public_key: Path) -> bool:
    """Whether the release has a signature of this key over exactly what it says."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = _public_key(public_key.read_bytes())
    except OSError as exc:
        raise StoreUnavailable(f"the public key {public_key} cannot be read: {exc}") from exc
    try:
        signature = base64.b64decode(release.signature, validate=True)
        key.verify(signature, signed_content(release), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


@lru_cache(maxsize=4)
def _private_key(pem: bytes) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"releases are signed with an elliptic-curve key, found {type(key).__name__}")
    return key


@lru_cache(maxsize=4)
def _public_key(pem: bytes) -> "EllipticCurvePublicKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigError(f"releases are signed with an elliptic-curve key, found {type(key).__name__}")
    return key
