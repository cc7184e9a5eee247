"""Whether the keys that sign releases and the keys of the gateway's clients are there, and only for their owner."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.examined import Examined, error
from cli.doctor.finding import Finding
from releases.log import ReleaseLog
from releases.signing import keys_in

NAME = "keys"
KEYS_FILE_VARIABLE = "AUTOPILOT_GATEWAY_KEYS_FILE"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def find(examined: Examined) -> Iterator[Finding]:
    """The signing key pair, then the file of API keys if there is one."""
    yield from _signing_keys(examined)
    named = os.environ.get(KEYS_FILE_VARIABLE)
    if named:
        yield from _api_keys(Path(named))


def _signing_keys(examined: Examined) -> Iterator[Finding]:
    keys = keys_in(examined.settings.keys_dir)
    released = any(ReleaseLog(examined.settings.release_root(each)).generations() for each in examined.pipelines)
    if not keys.private.exists() and not keys.public.exists() and not released:
        return  # the first `autopilot up` or `bootstrap` creates them
    if not keys.private.exists():
        fix = f"restore {keys.private} from a backup; with a new pair, earlier models stop verifying"
        yield error(NAME, keys.private, "the private key that signs releases", "no such file", fix)
    else:
        yield from _readable_by_others(keys.private)
    if not keys.public.exists():
        fix = "autopilot up, which derives it from the private key" if keys.private.exists() else "restore a backup"
        yield error(NAME, keys.public, "the public key that verifies releases", "no such file", fix)
    if keys.private.exists() and keys.public.exists() and not _is_pair(keys.private, keys.public):
        fix = f"restore the pair in {examined.settings.keys_dir} from one backup"
        yield error(NAME, keys.public, f"the public key of {keys.private.name}", "the key of another pair", fix)


def _readable_by_others(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        yield error(NAME, path, "mode 0600, for its owner alone", f"mode {mode:04o}", f"chmod 600 {path}")


def _is_pair(private: Path, public: Path) -> bool:
    """Whether both are the keys of one pair. ValueError for a file that is no key."""
    from cryptography.hazmat.primitives import serialization

    point = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    derived = serialization.load_pem_private_key(private.read_bytes(), password=None).public_key()
    return derived.public_bytes(*point) == serialization.load_pem_public_key(public.read_bytes()).public_bytes(*point)


def _api_keys(file: Path) -> Iterator[Finding]:
    """The file of `--keys-file`. What is in it is shown nowhere."""
    if not file.is_file():
        fix = f"write the file, or unset {KEYS_FILE_VARIABLE}"
        yield error(NAME, file, f"the file of API keys that {KEYS_FILE_VARIABLE} names", "no such file", fix)
        return
    yield from _readable_by_others(file)
    from gateway.ports.keys import KeysFile

    try:
        keys = KeysFile.model_validate_json(file.read_bytes())
    except ValueError:
        expected = 'JSON like {"predict": […], "feedback": […], "operate": […]}'
        yield error(NAME, file, expected, "something else", "correct the file; docs/gateway.md describes it")
        return
    if not keys.operate:
        fix = 'add a key under "operate": `openssl rand -base64 32`'
        yield error(NAME, file, "a key to operate the gateway", "none", fix)
