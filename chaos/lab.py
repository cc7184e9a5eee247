"""The stack that a drill breaks: addresses, processes and files."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from chaos import ledger
from chaos.processes import ProcessName

__all__ = ["TIMEOUT_SECONDS", "Lab", "StackDown", "new_directory"]

TIMEOUT_SECONDS = 5.0
FEEDS = ("feed", "mirror")


class StackDown(RuntimeError):
    """There is no running stack to break."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One running `autopilot up`, and the directory for the record of this drill."""

    home: Path
    pipeline: str
    directory: Path
    prefect: str  # empty for a lab without Prefect, which drills of the tiers `serving` and `data` do not need
    gateway: str  # empty for a lab without a gateway, which drills of the tier `data` do not need
    operate: str
    proxy: str  # API of the fault proxy; empty for a stack without one
    feeds: Mapping[str, str]  # the bundled sources `feed` and `mirror`; empty for a pipeline with other sources

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
                prefect=addresses.get("prefect", "").rstrip("/"),
                gateway=addresses.get("gateway", "").rstrip("/"),
                operate=addresses.get("operate", "").rstrip("/"),
                proxy=addresses.get("proxy", "").rstrip("/"),
                feeds={name: addresses[name].rstrip("/") for name in FEEDS if name in addresses},
            )
        except FileNotFoundError as exc:
            raise StackDown(f"expected a running stack, found no {path}; start `autopilot up` first") from exc
        except (json.JSONDecodeError, KeyError, AttributeError) as exc:
            raise StackDown(f"expected the stack's addresses in {path}, found {exc!r}; restart `autopilot up`") from exc

    @property
    def feed(self) -> str:
        """Address of the primary source; LookupError when the stack has no bundled sources."""
        return self._feed("feed")

    @property
    def mirror(self) -> str:
        """Address of the mirror; LookupError when the stack has no bundled sources."""
        return self._feed("mirror")

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

    def leader(self) -> ProcessName:
        """The process of the healer that leads; LookupError when none does."""
        pid = ledger.leader_pid(self.ledger, self.pipeline)
        if pid is None:
            raise LookupError(f"expected a healer that leads {self.pipeline}, found none; is the stack up?")
        return ProcessName.of(pid)

    def served_pipeline(self) -> str:
        """The pipeline that `autopilot up` recorded; empty where it recorded none."""
        recorded = self.home / "processes.json"
        return str(json.loads(recorded.read_bytes()).get("pipeline", "")) if recorded.exists() else ""

    def release_state(self) -> dict[str, Any]:
        """The gateway's own state; httpx.HTTPError when it does not answer."""
        state: dict[str, Any] = self._get(f"{self.operate}/release")
        return state

    def champion(self) -> str:
        """Digest of the champion that the gateway serves; LookupError before there is any release."""
        release = self.release_state()["release"]
        if release is None:
            raise LookupError(f"expected a release of {self.pipeline} to break, found none; run `autopilot bootstrap`")
        return str(release["champion"]["digest"])

    def fallback(self) -> str:
        """Digest of the first fallback; LookupError when there is none."""
        release = self.release_state()["release"]
        if release is None or not release["fallbacks"]:
            raise LookupError(f"expected a fallback of {self.pipeline} to break, found none; promote a second model")
        return str(release["fallbacks"][0]["digest"])

    def named_models(self) -> list[str]:
        """Digests of the champion and of every fallback, in this order; LookupError before there is any release."""
        champion = self.champion()
        return [champion, *(str(model["digest"]) for model in self.release_state()["release"]["fallbacks"])]

    def worker(self, digest: str) -> int:
        """The pid of the worker that serves a model; LookupError when there is none."""
        pids = [each["pid"] for each in self.release_state()["workers"] if each["digest"] == digest and each["pid"]]
        if not pids:
            raise LookupError(f"expected a worker for model {digest[:12]}, found none; is the gateway warm?")
        return int(pids[0])

    def answers(self, url: str) -> bool:
        """Whether `url` answers with a 2xx within TIMEOUT_SECONDS."""
        try:
            return httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _feed(self, name: str) -> str:
        try:
            return self.feeds[name]
        except KeyError as exc:
            raise LookupError(
                f"expected a service {name!r}, found none; pipeline {self.pipeline!r} has no feed"
            ) from exc

    @staticmethod
    def _get(url: str) -> Any:
        return httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False).raise_for_status().json()


def new_directory(home: Path, name: str) -> Path:
    """Create a directory for one trial, named by its start in UTC."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    directory = home / "drills" / re.sub(r"[^a-z0-9-]", "-", name.lower()) / stamp
    directory.mkdir(parents=True)
    return directory
