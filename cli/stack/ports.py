"""Free loopback ports, the same as last time where possible."""

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from healing.errors import ConfigError

LOOPBACK = "127.0.0.1"
_BACKLOG = 2048


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free to a server
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@contextmanager
def held(port: int) -> Iterator[int]:
    """The descriptor of a socket that listens on `port` of the loopback for as long as the block lasts.

    Processes that inherit it accept its connections. While none of them does, new connections wait and are not refused.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as exc:
            raise ConfigError(f"port {port} is taken; stop what listens there or choose another") from exc
        listener.listen(_BACKLOG)
        yield listener.fileno()


def choose_ports(names: Iterable[str], wanted: Mapping[str, int], remembered: Mapping[str, int]) -> dict[str, int]:
    """A port for each of `names`: the wanted one, else the remembered one if free, else any free one.

    ConfigError when a wanted port is taken.
    """
    chosen: dict[str, int] = {}
    for name in names:
        if name in wanted and not is_free(wanted[name]):
            raise ConfigError(f"port {wanted[name]} for {name} is taken; stop what listens there or choose another")
        chosen[name] = wanted.get(name) or _remembered_or_free(remembered.get(name), set(chosen.values()))
    return chosen


def _remembered_or_free(remembered: int | None, taken: set[int]) -> int:
    if remembered is not None and remembered not in taken and is_free(remembered):
        return remembered
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
