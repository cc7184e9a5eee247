"""The services of a stack: how each is started, and when it is healthy."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from cli.stack.gateway_key import gateway_key_environment
from cli.stack.ports import LOOPBACK
from cli.stack.service_checks import WORK_POOL, answers, create_work_pool, worker_is_polling
from releases.release_root import ObjectRoot, ReleaseRoot
from tasks.config.log_section import LogSection
from tasks.runtime.orphaned_runs import crash_orphaned_runs
from tasks.runtime.prefect_http import authorization
from tasks.runtime.telemetry import OPT_OUTS

PORTS = ("prefect", "gateway", "operate", "feed", "mirror")
PROJECT_DIR = Path(__file__).parents[2]  # the checkout, or the folder that the wheel is installed in
_INSTALLED = Path(__file__).with_name("prefect.yaml")  # the wheel has it here
PREFECT_FILE = _INSTALLED if _INSTALLED.exists() else PROJECT_DIR / "prefect.yaml"
START_SECONDS_MAX = 240.0  # about 25 s on two idle cores; a loaded CI machine gets ten times that
# A service whose health checks all fail for this long, at least four in a row, counts as hung and is restarted.
SILENT_SECONDS_MAX = 30.0
GATEWAY_SILENT_SECONDS_MAX = 20.0  # clients get no answer in this time
HEALER_SILENT_SECONDS_MAX = 15.0  # after a heartbeat is old already
FEED_SILENT_SECONDS_MAX = 660.0  # it stands for an external source: a restart would end a drill that stops it for 600 s

# Runs planned further ahead would all be late after a rest. The three runs that Prefect plans at least are enough.
SHORT_HORIZON = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT2M",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS": "3",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": "5",
}
LOG_KEY_FILE = "log-hash.key"  # in the key directory
LOG_KEY_VARIABLE = "AUTOPILOT_GATEWAY_LOG_KEY_FILE"
GRPC_VARIABLE = "AUTOPILOT_GATEWAY_GRPC_PORT"  # switches gRPC on; 0 for a free port
TLS_VARIABLE = "AUTOPILOT_GATEWAY_TLS_CERT_FILE"  # of the gateway, which inherits it
DATABASE_VARIABLES = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
ONE_THREAD_EACH = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

log = structlog.get_logger(__name__)


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the stack.

    It starts when all of `after` are healthy; `prepare` runs just before each start. A `registration` is done when its
    process has ended with 0, and is not started again. A second process of a service with `standby` waits to take over
    when the first one ends; both inherit the `descriptors`. A process that is lost again and again is started after at
    most `restart_seconds_max`, by default later each time.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    healthy: Callable[[], bool]
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] = field(default=_nothing)
    registration: bool = False
    silent_seconds_max: float = SILENT_SECONDS_MAX
    restart_seconds_max: float | None = None
    standby: bool = False
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stack:
    """One pipeline's stack: where its state is, and its ports."""

    home: Path
    pipeline: str
    pipelines_dir: Path
    feed_module: str | None
    tracking_uri: str
    keys_dir: Path
    release_root: ReleaseRoot
    gateway_dir: Path
    ports: Mapping[str, int]
    upstreams: Mapping[str, str] = field(default_factory=dict)  # of the links of a lab's fault proxy
    link_environment: Mapping[str, str] = field(default_factory=dict)  # their addresses, as settings
    log: LogSection = field(default_factory=LogSection)

    @property
    def prefect_api(self) -> str:
        return f"{self.url('prefect')}/api"

    @property
    def prefect_database(self) -> str:
        """Where Prefect's server keeps its state: a database of the user's own, or a file in the home."""
        named = next(filter(None, map(os.environ.get, DATABASE_VARIABLES)), None)
        return named or f"sqlite+aiosqlite:///{self.home / 'prefect' / 'prefect.db'}"

    def url(self, name: str) -> str:
        scheme = "https" if name in ("gateway", "operate") and TLS_VARIABLE in os.environ else "http"
        return f"{scheme}://{LOOPBACK}:{self.ports[name]}"

    def addresses(self) -> dict[str, str]:
        """What `addresses.json` holds."""
        feeds = {name: self.url(name) for name in ("feed", "mirror") if self.feed_module}
        return {
            "prefect": self.prefect_api,
            "gateway": self.url("gateway"),
            "operate": self.url("operate"),
            **feeds,
            "mlflow_tracking_uri": self.tracking_uri,
            **({"grpc": f"{LOOPBACK}:{self.ports['grpc']}"} if "grpc" in self.ports else {}),
            **({"proxy": self.url("proxy")} if self.upstreams else {}),
            **({"release_root": str(self.release_root)} if isinstance(self.release_root, ObjectRoot) else {}),
        }

    def services(self, public_key: Path, mark: str, sockets: Mapping[str, int]) -> tuple[Service, ...]:
        """Every service in the order of starting. `mark` names this run's worker, apart from those of earlier runs.

        `sockets` are the descriptors of the gateway's listening sockets, by the names of its ports.
        """
        feeds = (self._feed("mirror"), self._feed("feed", "--faulty")) if self.feed_module else ()
        worker = self._worker(f"{WORK_POOL}-{mark[:8]}")
        gateway = self._gateway(public_key, sockets)
        return (self._prefect_server(), *feeds, gateway, self._healer(), worker, self._deployments())

    def environment(self) -> dict[str, str]:
        """The environment of every process of the stack."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **inherited,  # with that variable, every flow run would compile its imports anew
            **OPT_OUTS,
            **ONE_THREAD_EACH,
            "AUTOPILOT_HOME": str(self.home),
            "AUTOPILOT_PIPELINES_DIR": str(self.pipelines_dir),
            "AUTOPILOT_PIPELINE": self.pipeline,  # what prefect.yaml deploys the flows for
            "AUTOPILOT_DISPATCH": "deployment",
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": self.prefect_api,
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # lets Prefect notice a run whose process was killed
            # On SQLite one heartbeat in twenty meets another writer and is lost with a traceback. Polls show that the
            # worker lives, so heartbeats may be rare: they only keep it online in Prefect's pages.
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "120",
            "PREFECT_WORKER_QUERY_SECONDS": "2",  # the default of 10 s would be most of the repair budget
            "PYTHONPATH": os.pathsep.join([str(PROJECT_DIR), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "PYTHONUNBUFFERED": "1",
            **gateway_key_environment(self.keys_dir),
            **self.link_environment,
        }

    def _prefect_server(self) -> Service:
        server = (
            "-m",
            "cli.stack.prefect_server",
            "server",
            "start",
            "--host",
            LOOPBACK,
            "--port",
            str(self.ports["prefect"]),
        )
        environment = {**self.environment(), **SHORT_HORIZON, "PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}
        return Service(
            name="prefect",
            command=(sys.executable, *server),
            environment=environment,
            healthy=lambda: answers(f"{self.prefect_api}/health"),
            prepare=self._forget_planned_runs,
        )

    def _forget_planned_runs(self) -> None:
        from tasks.runtime.planned_runs import delete_planned_runs

        deleted = delete_planned_runs(self.prefect_database)
        if deleted:
            log.info("planned_runs_deleted", runs=deleted)

    def _feed(self, name: str, *options: str) -> Service:
        assert self.feed_module is not None
        where = ("--port", str(self.ports[name]), "--state-dir", str(self.home / "feed"))
        return Service(
            name=name,
            command=(sys.executable, "-m", self.feed_module, *where, *options),
            environment=self.environment(),
            healthy=lambda: answers(f"{self.url(name)}/health"),
            silent_seconds_max=FEED_SILENT_SECONDS_MAX,
        )

    def _gateway(self, public_key: Path, sockets: Mapping[str, int]) -> Service:
        from healer.status_file import metrics_file, snapshot_file

        options: dict[str, Any] = {
            "pipeline": self.pipeline,
            "release-root": self.release_root,
            "public-key": public_key,
            "state-dir": self.gateway_dir,
            "predict-fd": sockets["gateway"],
            "operate-fd": sockets["operate"],
            "events-url": f"{self.environment()['PREFECT_API_URL']}/events",
            "control-plane-file": snapshot_file(self.home, self.pipeline),
            "control-plane-metrics-file": metrics_file(self.home, self.pipeline),
        }
        options |= {"grpc-fd": sockets["grpc"]} if "grpc" in sockets else {}
        options |= self._log_options()
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return Service(
            name="gateway",
            command=(sys.executable, "-m", "gateway", *arguments, "--standby"),
            environment={**self._gateway_log_and_traces(), **_events_authorization(), **self.environment()},
            healthy=lambda: answers(f"{self.url('operate')}/health"),
            silent_seconds_max=GATEWAY_SILENT_SECONDS_MAX,
            standby=True,
            descriptors=tuple(sockets.values()),
        )

    def _log_options(self) -> dict[str, Any]:
        """What the pipeline leaves out of the prediction log; the secret is the environment's, if it names one."""
        if not self.log.redacts:
            return {}
        options: dict[str, Any] = {"log-drop": json.dumps(self.log.drop), "log-hash": json.dumps(self.log.hash)}
        key_file = {} if LOG_KEY_VARIABLE in os.environ else {"log-key-file": self.keys_dir / LOG_KEY_FILE}
        return {**options, "log-share": self.log.share, **key_file}

    def _gateway_log_and_traces(self) -> dict[str, str]:
        """The settings of the control plane that hold for the gateway, too, unless it has its own."""
        names = ("TRACES_URL", "LOG_LEVEL", "LOG_FORMAT")
        given = {name: os.environ.get(f"AUTOPILOT_{name}") for name in names}
        return {f"AUTOPILOT_GATEWAY_{name}": value for name, value in given.items() if value}

    def _healer(self) -> Service:
        from healer.heartbeat import HeartbeatReader, heartbeat_file

        heartbeat = heartbeat_file(self.home, self.pipeline)
        return Service(
            name="healer",
            restart_seconds_max=5.0,  # nothing heals meanwhile
            command=(sys.executable, "-m", "healer", "--pipeline", self.pipeline),
            environment=self.environment(),
            healthy=HeartbeatReader(heartbeat).is_alive,
            prepare=lambda: heartbeat.unlink(missing_ok=True),  # that of an earlier process says nothing
            silent_seconds_max=HEALER_SILENT_SECONDS_MAX,
        )

    def _worker(self, name: str) -> Service:
        command = ("-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process")
        scratch = self.home / "tmp"

        def prepare() -> None:
            scratch.mkdir(exist_ok=True)
            create_work_pool(self.prefect_api)
            crash_orphaned_runs(self.prefect_api, WORK_POOL)  # runs of a killed worker hold their slots

        return Service(
            name="worker",
            command=(sys.executable, *command, "--name", name),
            environment={**self.environment(), "TMPDIR": str(scratch)},  # flow runs get a directory each, in here
            healthy=lambda: worker_is_polling(self.prefect_api, name),
            after=("prefect",),
            prepare=prepare,
        )

    def _deployments(self) -> Service:
        command = ("-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE))
        return Service(
            name="deployments",
            command=(sys.executable, *command),
            environment=self.environment(),
            healthy=_never,
            after=("prefect",),
            prepare=lambda: create_work_pool(self.prefect_api),
            registration=True,
        )


def _events_authorization() -> dict[str, str]:
    """What lets the gateway send events to a Prefect server that demands the credentials of the environment.

    Those of a profile are for another server, and stay where they are.
    """
    if not any(name in os.environ for name in ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")):
        return {}
    header = authorization()
    return {} if header is None else {"AUTOPILOT_GATEWAY_EVENTS_AUTHORIZATION": header}


def _never() -> bool:
    return False
