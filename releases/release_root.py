"""Address of a pipeline's releases: a directory, or a place in an object store with a directory of this host."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from healing.errors import ConfigError

SCHEMES = ("s3", "gs", "az", "abfs", "abfss")
_ADDRESS = re.compile(r"(?P<scheme>[a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ObjectRoot:
    """Releases in an object store, at an address such as `s3://bucket/prefix`.

    `directory` is on this host. It holds copies of models and the locks of processes on this host, and nothing that
    another host needs.
    """

    address: str
    directory: Path

    def __str__(self) -> str:
        return self.address


ReleaseRoot: TypeAlias = Path | ObjectRoot


def root_at(address: str, directory: Path) -> ReleaseRoot:
    """The root at `address`: a directory, or an object store whose copies are kept in `directory`."""
    if not is_object_address(address):
        return Path(address.removeprefix("file://")).expanduser().absolute()
    return ObjectRoot(checked_address(address), directory)


def directory_of(root: ReleaseRoot) -> Path:
    """The directory of this host that belongs to `root`: the root itself, or the one beside an object store."""
    return root.directory if isinstance(root, ObjectRoot) else root


def is_object_address(address: str) -> bool:
    """Whether an address names an object store. `file://` names a directory."""
    return "://" in address and not address.startswith("file://")


def checked_address(address: str) -> str:
    """The address of an object store without a trailing slash.

    ConfigError for an unknown scheme, for no bucket, and for an address that carries credentials. The message does not
    repeat an address that may hold a secret.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or match["scheme"].lower() not in SCHEMES:
        scheme = "no scheme" if match is None else f"scheme {match['scheme']!r}"
        raise ConfigError(f"expected a directory or an address that starts with one of {SCHEMES}, found {scheme}")
    bucket = match["rest"].split("/")[0]
    if set("?#") & set(match["rest"]) or (":" in bucket) or ("@" in bucket and match["scheme"] in ("s3", "gs", "az")):
        raise ConfigError(
            f"expected {match['scheme']}://BUCKET/PREFIX without user, password or query: give credentials in the "
            "environment, as the object store's own tools read them"
        )
    if not bucket:
        raise ConfigError(f"expected a bucket in the address {address!r}, found none")
    return address.rstrip("/")
