"""The target file: addresses of a stack, references to credentials, and the list of what may be broken."""

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

__all__ = ["TARGET_VARIABLE", "Allowed", "CredentialReference", "Target", "WrongTarget", "active_target", "read_target"]

TARGET_VARIABLE = "AUTOPILOT_DRILL_TARGET"
Service = Literal["gateway", "operate", "prefect", "ledger", "proxy", "feed", "mirror"]
HTTP_SERVICES: tuple[Service, ...] = ("gateway", "operate", "prefect", "proxy", "feed", "mirror")
LEDGER_SCHEMES = ("sqlite", "postgresql", "postgresql+pg8000")


class WrongTarget(ValueError):
    """A target file cannot be used. The message names the file, the field and what is expected."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)  # an input may be a secret


class CredentialReference(_Part):
    """Where a secret is: the name of an environment variable, or a file. The secret itself is in no target file."""

    env: str = Field(default="", description="Name of the environment variable that holds the secret.")
    file: Path | None = Field(default=None, description="File that holds the secret, as its only line.")
    scheme: Literal["bearer", "basic"] = Field(
        default="bearer", description="How an HTTP service gets it: a bearer token, or basic with `USER:PASSWORD`."
    )

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if bool(self.env) == (self.file is not None):
            raise ValueError("expected either `env` or `file`")
        return self


class Allowed(_Part):
    """What a drill may break: drills by name (`worker-*` is a pattern), or kinds of fault for any drill."""

    drills: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def allows(self, drill: str, kind: str) -> bool:
        """Whether a fault of this kind may be injected by this drill."""
        return kind in self.faults or any(fnmatchcase(drill, pattern) for pattern in self.drills)


class Target(_Part):
    """One stack. An empty address means that the stack has no such service, or that it is out of reach."""

    name: str
    pipeline: str = Field(default="", description="The pipeline that the stack serves.")
    gateway: str = Field(default="", description="The gateway's predict address.")
    operate: str = Field(default="", description="The gateway's operate address.")
    prefect: str = Field(default="", description="Prefect's API, with its path `/api`.")
    proxy: str = Field(default="", description="API of a fault proxy: Toxiproxy, or `python -m chaos.proxy`.")
    feed: str = Field(default="", description="The primary of a bundled source.")
    mirror: str = Field(default="", description="Its mirror.")
    ledger: str = Field(default="", description="SQLAlchemy URL of the ledger, without a password.")
    release_root: str = Field(default="", description="Directory or object store URL of the pipeline's release root.")
    keys: Path | None = Field(default=None, description="Directory of the release signing key, to publish candidates.")
    home: Path | None = Field(
        default=None,
        description="State directory of a stack that runs on this machine; its processes can be signalled.",
    )
    pipelines_dir: Path | None = Field(default=None, description="Pipelines directory of a stack on this machine.")
    credentials: Mapping[Service, CredentialReference] = {}
    allow: Allowed = Allowed()
    error_budget_requests: int = Field(
        default=200, ge=0, description="A drill is aborted when more requests fail, beyond those that it lets fail."
    )

    @field_validator(*HTTP_SERVICES)
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("expected http://HOST:PORT or https://HOST")
        return url.rstrip("/")

    @field_validator("ledger")
    @classmethod
    def _is_known_database(cls, url: str) -> str:
        if url and url.partition(":")[0] not in LEDGER_SCHEMES:
            raise ValueError(f"expected a URL of {', '.join(LEDGER_SCHEMES)}")
        return url

    @field_validator(*HTTP_SERVICES, "ledger", "release_root")
    @classmethod
    def _has_no_password(cls, url: str) -> str:
        if urlsplit(url).password is not None:
            raise ValueError("expected no password in the address; name its place in `credentials`")
        return url


def read_target(path: Path) -> Target:
    """The target in `path`, whose relative paths start at its directory; WrongTarget when it cannot be used.

    With `home`, missing addresses are those of the stack that runs on it.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "no YAML"
        raise WrongTarget(f"expected a target file at {path}, found {reason}; see docs/staging.md") from exc
    if not isinstance(document, dict):
        raise WrongTarget(f"expected fields such as `gateway` and `allow` in {path}, found none; see docs/staging.md")
    try:
        return Target.model_validate({"name": path.stem, **_with_absolute_paths(document, path.absolute().parent)})
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'target'}: {each['msg']}" for each in exc.errors())
        raise WrongTarget(f"{path}: {problems}; see docs/staging.md") from exc


def active_target() -> Target | None:
    """The target that the environment names; None for the stack on the home of the drill."""
    path = os.environ.get(TARGET_VARIABLE)
    return read_target(Path(path)) if path else None


def _with_absolute_paths(document: dict[str, Any], base: Path) -> dict[str, Any]:
    absolute = dict(document)
    for name in ("home", "keys", "pipelines_dir"):
        if document.get(name):
            absolute[name] = base / Path(str(document[name])).expanduser()
    root = document.get("release_root")
    if isinstance(root, str) and root and "://" not in root:
        absolute["release_root"] = str(base / Path(root).expanduser())
    credentials = document.get("credentials")
    if isinstance(credentials, dict):
        absolute["credentials"] = {name: _absolute_file(each, base) for name, each in credentials.items()}
    return absolute


def _absolute_file(reference: Any, base: Path) -> Any:
    if isinstance(reference, dict) and reference.get("file"):
        return {**reference, "file": base / Path(str(reference["file"])).expanduser()}
    return reference
