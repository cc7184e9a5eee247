"""The stack that a drill breaks: addresses, processes and files."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import httpx

from chaos import http, ledger
from chaos.http import TIMEOUT_SECONDS
from chaos.processes import ProcessName
from chaos.record import LedgerEntry
from chaos.source_files import pipelines_dir
from chaos.staging.target import Target, active_target

__all__ = ["FEEDS", "TIMEOUT_SECONDS", "Lab", "StackDown", "new_directory"]

FEEDS = ("feed", "mirror")


class StackDown(RuntimeError):
    """There is no running stack to break."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One running stack, and the directory for the record of this drill."""

    state: Path | None  # the stack's state directory; None for a target that runs on another machine
    pipeline: str
    directory: Path
    ledger: Path | str  # a SQLite file, or a SQLAlchemy URL; empty when it is out of reach
    release_root: str  # directory or object store URL; empty when it is out of reach
    keys: Path | None  # directory of the release signing key
    prefect: str  # empty for a lab without Prefect, which drills of the tiers `serving` and `data` do not need
    gateway: str  # empty for a lab without a gateway, which drills of the tier `data` do not need
    operate: str
    proxy: str  # API of the fault proxy; empty for a stack without one
    feeds: Mapping[str, str]  # the bundled sources `feed` and `mirror`; empty for a pipeline with other sources
    target: Target | None = None  # None for the stack on the home of the drill

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> "Lab":
        """The lab that the timings control wrote into the experiment's configuration; KeyError when it did not run."""
        return cls.open(Path(configuration["home"]), configuration["pipeline"], Path(configuration["drill_dir"]))

    @classmethod
    def open(cls, home: Path, pipeline: str, directory: Path) -> "Lab":
        """The stack of the active target, else that on `home`; StackDown when none is up."""
        target = active_target()
        state: Path | None
        if target is None:
            state, addresses = home, _addresses(home)
        else:
            state = target.home
            addresses = {**({} if state is None else _addresses(state)), **_given_addresses(target)}
        return cls(
            state=state,
            pipeline=pipeline,
            directory=directory,
            ledger=(target.ledger if target else "") or (state / "ledger.db" if state else ""),
            release_root=(target.release_root if target else "")
            or addresses.get("release_root", "")
            or (str(state / "releases" / pipeline) if state else ""),
            keys=(target.keys if target else None) or (state / "keys" if state else None),
            prefect=addresses.get("prefect", ""),
            gateway=addresses.get("gateway", ""),
            operate=addresses.get("operate", ""),
            proxy=addresses.get("proxy", ""),
            feeds={name: addresses[name] for name in FEEDS if name in addresses},
            target=target,
        )

    @property
    def home(self) -> Path:
        """The stack's state directory; LookupError for a target without `home`."""
        if self.state is None:
            raise LookupError(f"expected the state directory of {self.name} on this machine, found no `home`")
        return self.state

    @property
    def pipelines_dir(self) -> Path:
        """The directory of the pipelines: the target's, else as every command of the system finds it."""
        named = None if self.target is None else self.target.pipelines_dir
        return named or pipelines_dir()

    @property
    def name(self) -> str:
        """What messages call the stack."""
        return f"the stack on {self.state}" if self.target is None else f"target {self.target.name!r}"

    @property
    def is_local(self) -> bool:
        """Whether the stack's processes run on this machine, as the start times of its services show."""
        if self.target is None:
            return True
        if self.state is None or not (self.state / "processes.json").exists():
            return False
        return any(self.process(name).find() is not None for name in self._recorded_services())

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
    def ledger_file(self) -> Path:
        """The ledger's file; LookupError for a ledger on a server or out of reach."""
        file = ledger.sqlite_file(self.ledger) if self.ledger else None
        if file is None:
            raise LookupError(f"expected a SQLite ledger that {self.name} has on this machine, found none")
        return file

    @property
    def registry(self) -> Path:
        """MLflow's tracking store where it is a SQLite file in the state directory."""
        return self.home / "mlflow" / "mlflow.db"

    @property
    def models(self) -> Path:
        """The directory of the models; LookupError when the release root is no directory on this machine."""
        if not self.release_root or "://" in self.release_root:
            raise LookupError(f"expected the release root of {self.name} as a directory, found {self.release_root!r}")
        return Path(self.release_root) / "models"

    def manifest(self, digest: str) -> bytes:
        """A model's manifest; FileNotFoundError when the release root has none, LookupError when it is not known."""
        if not self.release_root:
            raise LookupError(f"expected the release root of {self.name}, found no `release_root`")
        with fsspec.open(f"{self.release_root}/models/{digest}/manifest.json", "rb") as file:
            content: bytes = file.read()
        return content

    def journal_after(self, after_id: int) -> list[LedgerEntry]:
        """The ledger's entries after `after_id`; LedgerUnreadable when it cannot be read."""
        return ledger.read_after(self.ledger, after_id, self.pipeline, by_wall_clock=not self.is_local)

    def process(self, service: str) -> ProcessName:
        """The process of a service, as `autopilot up` recorded it; LookupError names the services there are."""
        recorded = self._recorded_services()
        try:
            return recorded[service]
        except KeyError as exc:
            raise LookupError(f"expected a service named {service!r}, found {', '.join(recorded)}") from exc

    def leader(self) -> ProcessName:
        """The process of the healer that leads; LookupError when none does."""
        pid = ledger.leader_pid(self.ledger, self.pipeline)
        if pid is None:
            raise LookupError(f"expected a healer that leads {self.pipeline}, found none; is the stack up?")
        return ProcessName.of(pid)

    def served_pipeline(self) -> str:
        """The pipeline that `autopilot up` recorded, or that the target names; empty where neither says it."""
        recorded = None if self.state is None else self.state / "processes.json"
        if recorded is not None and recorded.exists():
            return str(json.loads(recorded.read_bytes()).get("pipeline", ""))
        return "" if self.target is None else self.target.pipeline

    def release_state(self) -> dict[str, Any]:
        """The gateway's own state; httpx.HTTPError when it does not answer."""
        state: dict[str, Any] = http.get(f"{self.operate}/release").raise_for_status().json()
        return state

    def champion(self) -> str:
        """Digest of the champion that the gateway serves; LookupError before there is any release."""
        release = self.release_state()["release"]
        if release is None:
            raise LookupError(f"expected a release of {self.pipeline} to break, found none; run `autopilot bootstrap`")
        return str(release["champion"]["digest"])

    def challenger(self) -> str:
        """Digest of the model on trial; LookupError when there is none."""
        release = self.release_state()["release"]
        if release is None or release["challenger"] is None:
            raise LookupError(f"expected a challenger of {self.pipeline} to break, found none on trial")
        return str(release["challenger"]["model"]["digest"])

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

    def workers(self, digest: str) -> list[int]:
        """The pids of all workers that serve a model, in the order of their numbers; LookupError when there is none."""
        pids = [
            int(each["pid"]) for each in self.release_state()["workers"] if each["digest"] == digest and each["pid"]
        ]
        if not pids:
            raise LookupError(f"expected a worker for model {digest[:12]}, found none; is the gateway warm?")
        return pids

    def answers(self, url: str) -> bool:
        """Whether `url` answers with a 2xx within TIMEOUT_SECONDS."""
        try:
            return http.get(url).is_success
        except httpx.HTTPError:
            return False

    def _feed(self, name: str) -> str:
        try:
            return self.feeds[name]
        except KeyError as exc:
            raise LookupError(
                f"expected a service {name!r}, found none; pipeline {self.pipeline!r} has no feed"
            ) from exc

    def _recorded_services(self) -> dict[str, ProcessName]:
        recorded = json.loads((self.home / "processes.json").read_bytes())["services"]
        return {each["name"]: ProcessName(pid=each["pid"], started_at=each["started_at"]) for each in recorded}


def _addresses(home: Path) -> dict[str, str]:
    """Where the stack on `home` listens; StackDown when none is up."""
    path = home / "addresses.json"
    try:
        return {name: url.rstrip("/") for name, url in json.loads(path.read_bytes()).items()}
    except FileNotFoundError as exc:
        raise StackDown(f"expected a running stack, found no {path}; start `autopilot up` first") from exc
    except (json.JSONDecodeError, AttributeError) as exc:
        raise StackDown(f"expected the stack's addresses in {path}, found {exc!r}; restart `autopilot up`") from exc


def _given_addresses(target: Target) -> dict[str, str]:
    services = ("prefect", "gateway", "operate", "proxy", *FEEDS)
    return {name: getattr(target, name) for name in services if getattr(target, name)}


def new_directory(home: Path, name: str) -> Path:
    """Create a directory for one trial, named by its start in UTC."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    directory = home / "drills" / re.sub(r"[^a-z0-9-]", "-", name.lower()) / stamp
    directory.mkdir(parents=True)
    return directory
