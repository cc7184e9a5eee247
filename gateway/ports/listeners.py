"""The listening sockets of a gateway: bound here, or held by a supervisor and inherited from it.

A socket that a supervisor holds outlives this process: while no gateway accepts, new connections wait in its backlog.
"""

import ipaddress
import os
import socket

from gateway.settings import GatewaySettings
from healing.errors import ConfigError, StoreUnavailable

BACKLOG = 2048


def listen(host: str, port: int, descriptor: int | None, option: str) -> socket.socket:
    """A socket that listens: the inherited one where there is a `descriptor`, which `option` names in errors."""
    return _bind(host, port) if descriptor is None else _inherit(descriptor, option)


def with_real_host(settings: GatewaySettings, *listeners: socket.socket) -> GatewaySettings:
    """The settings with the address that inherited sockets are bound to: whether keys are needed depends on it."""
    hosts = [listener.getsockname()[0] for listener in listeners]
    reachable = [host for host in hosts if not ipaddress.ip_address(host).is_loopback]
    return settings.model_copy(update={"host": (reachable or hosts)[0]})


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise StoreUnavailable(f"cannot listen on {host} port {port}: {exc.strerror}; choose another port") from exc
    return listener


def _inherit(descriptor: int, option: str) -> socket.socket:
    """The socket behind a descriptor; no process that this one starts inherits it."""
    try:
        listener = socket.socket(fileno=descriptor)
        listens = listener.family in (socket.AF_INET, socket.AF_INET6) and listener.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        )
    except OSError as exc:
        raise ConfigError(
            f"{option} {descriptor}: expected a listening socket, found: {exc.strerror}; pass it to this process"
        ) from exc
    if not listens:
        listener.detach()
        raise ConfigError(f"{option} {descriptor}: expected a listening TCP socket, found another socket")
    os.set_inheritable(descriptor, False)
    return listener
