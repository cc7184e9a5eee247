"""Whether the ports of the stack are its own, and who listens there otherwise."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil

from cli.doctor.examined import Examined, error, warning
from cli.doctor.finding import Finding
from cli.stack.ports import is_free
from cli.stack.services import PORTS

NAME = "ports"


def find(examined: Examined) -> Iterator[Finding]:
    """While the stack runs, each address must have a listener; otherwise its last ports should be free."""
    if examined.up:
        yield from _unanswered(examined)
    elif not examined.supervised:
        for name, port in sorted(examined.processes.ports.items()):
            if not is_free(port):
                expected = f"port {port} free for {name}, as at the last start"
                fix = "stop that process, or let `autopilot up` choose another port"
                yield warning(NAME, f"port {port}", expected, f"taken by {_listener(port)}", fix)


def _unanswered(examined: Examined) -> Iterator[Finding]:
    addresses = examined.settings.addresses().model_dump(exclude_none=True)
    for name in PORTS:
        port = urlsplit(addresses.get(name, "")).port
        if port is not None and is_free(port):
            expected, fix = f"{name} to listen on port {port}", "wait for its restart, and see `autopilot status`"
            yield error(NAME, f"port {port}", expected, "nobody listens there", fix)


def _listener(port: int) -> str:
    """The process that listens on the port, as far as this user may see it."""
    try:
        listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        pid = next((each.pid for each in listening if each.laddr and each.laddr.port == port), None)
        if pid is not None:
            return f"process {pid} ({' '.join(psutil.Process(pid).cmdline())[:80]})"
    except psutil.Error:
        pass
    return f"a process that this user may not see: `ss -ltnp 'sport = :{port}'`"
