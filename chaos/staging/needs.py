"""What a drill and each kind of fault need of a stack, and whether a stack has it."""

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import httpx
import psutil

from chaos import http
from chaos.lab import Lab
from chaos.ledger import LedgerUnreadable, last_id
from chaos.settable_clock import FILE_VARIABLE
from chaos.source_files import source_databases, source_files
from chaos.spec import DrillSpec, Indicator

__all__ = ["Need", "needs_of_drill", "needs_of_fault", "variable_of"]

GROWING_TYPE = "chaos.growing_model.GrowingClassifier"
TRUSTED_TYPES_VARIABLE = "AUTOPILOT_GATEWAY_TRUSTED_TYPES"


class Need(Enum):
    """One part of a stack. The value is what a message calls it; the target's fields are in backquotes."""

    GATEWAY = "a gateway (`gateway`, `operate`)"
    LEDGER = "a ledger that can be read (`ledger`, or ledger.db in `home`, which `autopilot bootstrap` makes)"
    ROWS = "the rows of its load, which are in the release root (`release_root`)"
    RELEASES = "the release root as a directory on this machine (`release_root`)"
    KEYS = "the release signing key on this machine (`keys`)"
    PROCESSES = "a process of the stack on this machine (`home`)"
    STATE = "the state directory on this machine (`home`)"
    LEDGER_FILE = "the SQLite file of the ledger on this machine (`ledger` or `home`)"
    SOURCE_FILES = "a data file of a source of kind files on this machine (`home`, `pipelines_dir`)"
    SOURCE_DATABASE = "a SQLite database of a source of kind sql on this machine (`home`, `pipelines_dir`)"
    PROXY = "a fault proxy in front of the services (`proxy`)"
    REGISTRY_LINK = "an MLflow server behind the link `mlflow` of a fault proxy (`proxy`)"
    CLOCK = "a gateway and healers on this machine with a clock that can be set (`python -m chaos.settable_clock`)"
    GROWING_MODEL = (
        "a gateway on this machine that trusts the class of a growing model "
        "(`AUTOPILOT_GATEWAY_TRUSTED_TYPES=chaos.growing_model.GrowingClassifier`)"
    )
    PREFECT = "Prefect's API (`prefect`)"
    RUNS = "ingest runs: Prefect's API (`prefect`), or the state directory on this machine (`home`)"
    FEED = "the primary of a bundled source (`feed`), which a pipeline with `feed:` in its pipeline.yaml has"
    MIRROR = "the mirror of a bundled source (`mirror`), which a pipeline with `feed:` in its pipeline.yaml has"

    def is_met_by(self, lab: Lab) -> bool:
        """Whether the stack has it, as far as can be known without a change."""
        return _MET[self](lab)


def needs_of_drill(spec: DrillSpec) -> tuple[Need, ...]:
    """What the drill needs besides the needs of its faults."""
    named = tuple(_NAMED[name] for name in spec.needs)
    if spec.indicator is Indicator.REQUESTS:
        return (Need.GATEWAY, Need.LEDGER, Need.ROWS, *named)
    if spec.indicator is Indicator.FLOW:
        return (Need.GATEWAY, Need.LEDGER, Need.ROWS, Need.RELEASES, Need.PREFECT, *named)
    return (Need.LEDGER, Need.RUNS, *named)


def needs_of_fault(kind: str, arguments: Mapping[str, Any]) -> tuple[Need, ...]:
    """What a fault of this kind needs. A kind that is not listed needs a process of the stack, to be safe."""
    return _FAULTS[kind](arguments) if kind in _FAULTS else (Need.PROCESSES,)


def _file(arguments: Mapping[str, Any]) -> tuple[Need, ...]:
    return {"source": (Need.SOURCE_FILES,), "source_database": (Need.SOURCE_DATABASE,)}.get(
        arguments.get("file", ""), (Need.RELEASES,)
    )


def _database(arguments: Mapping[str, Any]) -> tuple[Need, ...]:
    return (Need.SOURCE_DATABASE,) if arguments.get("database") == "source" else (Need.LEDGER_FILE,)


def _prefect(arguments: Mapping[str, Any]) -> tuple[Need, ...]:
    return (Need.PREFECT, Need.PROCESSES) if arguments.get("change") == "hung" else (Need.PREFECT,)


_FAULTS: Mapping[str, Callable[[Mapping[str, Any]], tuple[Need, ...]]] = {
    "absent_batch": lambda _: (Need.FEED,),
    "ablation": lambda _: (Need.STATE,),
    "alert": lambda _: (Need.PROXY,),
    "candidate": lambda _: (Need.RELEASES, Need.KEYS),
    "directory": lambda _: (Need.RELEASES,),
    "clock": lambda _: (Need.CLOCK,),
    "crowd": lambda _: (Need.GATEWAY,),
    "error_answers": lambda _: (Need.PROXY, Need.PROCESSES),
    "feed": lambda _: (Need.FEED, Need.MIRROR),
    "file": _file,
    "labels": lambda _: (Need.FEED, Need.MIRROR),
    "locked_database": _database,
    "prefect": _prefect,
    "toxic": lambda _: (Need.PROXY,),
}
_NAMED: Mapping[str, Need] = {
    "clock": Need.CLOCK,
    "database": Need.SOURCE_DATABASE,
    "feed": Need.FEED,
    "files": Need.SOURCE_FILES,
    "growing_model": Need.GROWING_MODEL,
    "mirror": Need.MIRROR,
    "proxy": Need.PROXY,
    "registry_link": Need.REGISTRY_LINK,
}


def _has_ledger(lab: Lab) -> bool:
    try:
        return bool(lab.ledger) and last_id(lab.ledger) >= 0
    except LedgerUnreadable:
        return False


def _has_ledger_file(lab: Lab) -> bool:
    try:
        return lab.ledger_file.is_file()
    except LookupError:
        return False


def variable_of(lab: Lab, service: str, name: str) -> str:
    """An environment variable of a service's process; empty where it has none, or cannot be read."""
    try:
        process = lab.process(service).find()
        return "" if process is None else process.environ().get(name, "")
    except (LookupError, OSError, psutil.Error):
        return ""


def _trusts_growing_model(lab: Lab) -> bool:
    """Whether the gateway was started with the type among those that it trusts."""
    if not lab.is_local:
        return False
    try:
        process = lab.process("gateway").find()
        words = [] if process is None else process.cmdline()
    except (LookupError, OSError, psutil.Error):
        return False
    return any(GROWING_TYPE in word for word in [*words, variable_of(lab, "gateway", TRUSTED_TYPES_VARIABLE)])


def _has_registry_link(lab: Lab) -> bool:
    """Whether the proxy has the link that a lab makes where `AUTOPILOT_MLFLOW_TRACKING_URI` names a server."""
    try:
        return bool(lab.proxy) and "mlflow" in http.get(f"{lab.proxy}/proxies").raise_for_status().json()
    except httpx.HTTPError:
        return False


def _has_settable_clock(lab: Lab) -> bool:
    """Whether the gateway reads an offset of its wall clock from a file on this machine."""
    return lab.is_local and bool(variable_of(lab, "gateway", FILE_VARIABLE))


def _has_directory(lab: Lab) -> bool:
    return (
        bool(lab.release_root) and "://" not in lab.release_root and (_is_own(lab) or Path(lab.release_root).is_dir())
    )


def _is_own(lab: Lab) -> bool:
    """Whether it is the stack on the home of the drill, which makes its directories when it needs them."""
    return lab.target is None


_MET: Mapping[Need, Callable[[Lab], bool]] = {
    Need.GATEWAY: lambda lab: bool(lab.gateway and lab.operate),
    Need.LEDGER: _has_ledger,
    Need.ROWS: lambda lab: "://" in lab.release_root or _has_directory(lab),
    Need.RELEASES: _has_directory,
    Need.KEYS: lambda lab: lab.keys is not None and (_is_own(lab) or lab.keys.is_dir()),
    Need.PROCESSES: lambda lab: lab.is_local,
    Need.STATE: lambda lab: lab.is_local and lab.state is not None,
    Need.LEDGER_FILE: _has_ledger_file,
    Need.SOURCE_FILES: lambda lab: lab.is_local and bool(source_files(lab.pipelines_dir, lab.pipeline)),
    Need.SOURCE_DATABASE: lambda lab: lab.is_local and bool(source_databases(lab.pipelines_dir, lab.pipeline)),
    Need.PROXY: lambda lab: bool(lab.proxy),
    Need.CLOCK: _has_settable_clock,
    Need.REGISTRY_LINK: _has_registry_link,
    Need.GROWING_MODEL: _trusts_growing_model,
    Need.PREFECT: lambda lab: bool(lab.prefect),
    Need.RUNS: lambda lab: bool(lab.prefect) or lab.is_local,
    Need.FEED: lambda lab: "feed" in lab.feeds,
    Need.MIRROR: lambda lab: "mirror" in lab.feeds,
}
