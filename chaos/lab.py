"""The stack that a drill breaks: where its services listen, which processes they are, where its files stand."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from chaos.processes import ProcessName

TIMEOUT_SECONDS = 5.0


class StackDown(RuntimeError):
    """There is no running stack to break."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One running `autopilot up` and the directory in which this drill keeps its record."""

    home: Path
    pipeline: str
    directory: Path
    prefect: str
    gateway: str
    operate: str
    feed: str
    mirror: str

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> "Lab":
        """The lab that the timings control wrote into the experiment's configuration; KeyError when it did not run."""
        return cls.open(Path(configuration["home"]), configuration["pipeline"], Path(configuration["drill_dir"]))

    @classmethod
    def open(cls, home: Path, pipeline: str, directory: Path) -> "Lab":
        """Read where the stack listens; StackDown when none is up."""
        path = home / "addresses.json"
        try:
            addresses = json.loads(path.read_bytes())
            return cls(
                home=home,
                pipeline=pipeline,
                directory=directory,
                prefect=addresses["prefect"].rstrip("/"),
                gateway=addresses["gateway"].rstrip("/"),
                operate=addresses["operate"].rstrip("/"),
                feed=addresses["feed"].rstrip("/"),
                mirror=addresses["mirror"].rstrip("/"),
            )
        except FileNotFoundError as exc:
            raise StackDown(f"expected a running stack, found no {path}; start `autopilot up` first") from exc
        except (json.JSONDecodeError, KeyError, AttributeError) as exc:
            raise StackDown(f"expected the stack's addresses in {path}, found {exc!r}; restart `autopilot up`") from exc

    @property
    def leases(self) -> Path:
        return self.directory / "leases"

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.db"

    @property
    def models(self) -> Path:
        return self.home / "releases" / self.pipeline / "models"

    def process(self, service: str) -> ProcessName:
        """The process of a service, as `autopilot up` recorded it; LookupError names the services there are."""
        recorded = json.loads((self.home / "processes.json").read_bytes())["services"]
        for each in recorded:
            if each["name"] == service:
                return ProcessName(pid=each["pid"], started_at=each["started_at"])
        known = ", ".join(each["name"] for each in recorded)
        raise LookupError(f"expected a service named {service!r}, found {known}")

    def release_state(self) -> dict[str, Any]:
        """The gateway's own account of what it serves; httpx.HTTPError when it gives none."""
        state: dict[str, Any] = self._get(f"{self.operate}/release")
        return state

    def champion(self) -> str:
        """Digest of the champion that the gateway serves; LookupError before there is any release."""
        release = self.release_state()["release"]
        if release is None:
            raise LookupError(f"expected a release of {self.pipeline} to break, found none; run `autopilot bootstrap`")
        return str(release["champion"]["digest"])

    def answers(self, url: str) -> bool:
        """Whether `url` answers with a 2xx within TIMEOUT_SECONDS."""
        try:
            return httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    @staticmethod
    def _get(url: str) -> Any:
        return httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False).raise_for_status().json()


def new_directory(home: Path, name: str) -> Path:
    """A directory for one trial, named by its start in UTC; made, so that two trials never share it."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    directory = home / "drills" / re.sub(r"[^a-z0-9-]", "-", name.lower()) / stamp
    directory.mkdir(parents=True)
    return directory


def home_from_environment() -> Path:
    """`AUTOPILOT_HOME`, else ./var; read when a command starts, never at import."""
    return Path(os.environ.get("AUTOPILOT_HOME", "var")).absolute()
