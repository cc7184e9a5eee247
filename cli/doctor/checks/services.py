"""Whether the services of a running stack are healthy: processes, Prefect, its worker, the gateway and the healer."""

from collections.abc import Iterator

from cli.doctor.examined import Examined, error
from cli.doctor.finding import Finding
from cli.stack.service_checks import WORK_POOL, answers, worker_is_polling
from healer.heartbeat import AGE_SECONDS_MAX, heartbeat_file, is_alive
from healing.errors import AutopilotError, GatewayRefused
from releases.log import ReleaseLog
from tasks.serving.gateway_client import read_gateway

NAME = "services"
_STATUS = "autopilot status"


def find(examined: Examined) -> Iterator[Finding]:
    """Nothing where no stack runs: that is no fault."""
    if not examined.up:
        return
    home = examined.settings.home
    for service in examined.processes.services:
        if not service.alive() or service.state != "healthy":
            found = service.state if service.alive() else "its process has ended"
            fix = f"see {home / 'logs' / f'{service.name}.log'}; `autopilot up` starts it again"
            yield error(NAME, service.name, "a healthy service", f"{found}, after {service.restarts} restarts", fix)
    yield from _prefect_faults(examined)
    yield from _gateway_faults(examined)
    heartbeat = heartbeat_file(home, examined.processes.pipeline)
    if not is_alive(heartbeat):
        fix = f"see {home / 'logs' / 'healer.log'}"
        yield error(NAME, "healer", f"a heartbeat younger than {AGE_SECONDS_MAX:g} s", f"none in {heartbeat}", fix)


def _prefect_faults(examined: Examined) -> Iterator[Finding]:
    api = examined.settings.addresses().require("prefect")
    log = examined.settings.home / "logs"
    if not answers(f"{api}/health"):
        yield error(NAME, "prefect", f"an answer of {api}/health", "none", f"see {log / 'prefect.log'}")
        return
    worker = f"{WORK_POOL}-{examined.processes.mark[:8]}"
    try:
        is_polling = worker_is_polling(api, worker)
    except AutopilotError as exc:
        yield error(NAME, "prefect", "the list of workers", str(exc), f"see {log / 'prefect.log'}")
        return
    if not is_polling:
        found = "it has not asked for work lately, so no flow starts"
        yield error(NAME, "worker", f"worker {worker} to ask Prefect for work", found, f"see {log / 'worker.log'}")


def _gateway_faults(examined: Examined) -> Iterator[Finding]:
    operate = examined.settings.addresses().require("operate")
    try:
        report = read_gateway(operate)
    except GatewayRefused as exc:
        yield error(NAME, "gateway", "a gateway that accepts our key", str(exc), "set AUTOPILOT_OPERATE_KEY")
        return
    except AutopilotError as exc:
        fix = f"see {examined.settings.home / 'logs' / 'gateway.log'}"
        yield error(NAME, "gateway", "an answer of its operate port", str(exc), fix)
        return
    for problem in report.problems:
        found = f"{problem.code}: {problem.message}"
        yield error(NAME, "gateway", "no problem", found, f"{_STATUS}; the healer works on it")
    latest = ReleaseLog(examined.settings.release_root(report.pipeline)).latest_generation()
    if report.active_generation < latest and report.desired_generation < latest:
        found = f"generation {report.active_generation}"
        yield error(NAME, "gateway", f"release {latest} to be served", found, f"see {operate}/release")
