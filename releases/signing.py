"""Signatures of models: OpenSSF model-signing with an elliptic-curve key, without network access."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from healing.errors import ConfigError, ModelCorrupt
from releases.files import create_exclusively
from releases.manifest import SIGNATURE_FILE

PRIVATE_KEY_FILE = "release-signing.key.pem"
PUBLIC_KEY_FILE = "release-signing.pub.pem"
_KEYLESS = "model_signing._signing.sign_sigstore"


@dataclass(frozen=True, slots=True)
class Keys:
    """Paths of the key pair. Publishing needs the private key, loading only the public key."""

    private: Path
    public: Path


def keys_in(directory: Path) -> Keys:
    """The paths of the key pair in `directory`, whether it is there or not."""
    return Keys(private=directory / PRIVATE_KEY_FILE, public=directory / PUBLIC_KEY_FILE)


def ensure_keys(directory: Path) -> Keys:
    """The key pair in `directory`, created on first use (P-256, private key readable only by its owner).

    Two processes may call this at once: the private key is created exclusively and the public one derived from it.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    keys = keys_in(directory)
    if not keys.private.exists():
        if keys.public.exists():
            raise ConfigError(
                f"expected the private key {keys.private.name} beside {keys.public}, found none: "
                "restore the private key, or move the public key away to create a new pair (models signed so far then "
                "stop verifying)"
            )
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _create_unless_there(keys.private, pem, mode=0o600)
    if not keys.public.exists():
        private = serialization.load_pem_private_key(keys.private.read_bytes(), password=None)
        pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _create_unless_there(keys.public, pem, mode=0o644)
    return keys


def _create_unless_there(path: Path, content: bytes, mode: int) -> None:
    try:
        create_exclusively(path, content, mode=mode)
    except FileExistsError:
        return  # another process created it first; its key is used


def import_model_signing() -> None:
    """Import the library without its keyless signatures, which are not used here.

    They need sigstore, whose import takes two thirds of the time and delays each start of a gateway by 0.2 s.
    """
    sys.modules.setdefault(_KEYLESS, ModuleType(_KEYLESS))
    importlib.import_module("model_signing")


def sign(model_dir: Path, keys: Keys) -> None:
    """Sign every file of `model_dir`, and write the signature into it."""
    import_model_signing()
    from model_signing import hashing, signing

    signature = model_dir / SIGNATURE_FILE
    ignoring = hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=False)
    signing.Config().use_elliptic_key_signer(private_key=str(keys.private)).set_hashing_config(ignoring).sign(
        str(model_dir), str(signature)
    )


def verify(model_dir: Path, public_key: Path) -> None:
    """Raise ModelCorrupt unless the signature is valid for exactly the files in `model_dir`."""
    import_model_signing()
    from model_signing import hashing, verifying

    signature = model_dir / SIGNATURE_FILE
    if not signature.is_file():
        raise ModelCorrupt(f"model {model_dir.name} has no signature; publish it again")
    ignoring = hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=False)
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=str(public_key)).set_hashing_config(ignoring).verify(
            str(model_dir), str(signature)
        )
    except (ValueError, OSError) as exc:
        raise ModelCorrupt(f"signature of model {model_dir.name} is not valid under {public_key.name}: {exc}") from exc
