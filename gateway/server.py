"""Listens on its ports, serves until SIGTERM, and drains."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from gateway.ports.issuer_keys import IssuerKeys
from gateway.ports.keys import KeyRing, read_keys
from gateway.ports.keys_file import RELOAD_SECONDS, KeysFileWatch
from gateway.ports.listeners import listen, with_real_host
from gateway.ports.software import NAME
from gateway.ports.tokens import TokenVerifier
from gateway.settings import GatewaySettings, is_loopback, parse_settings
from gateway.wire.asgi import AsgiApp
from gateway.workers.memory import collect_rarely
from gateway.workers.warm import WarmForks
from healing.errors import ConfigError
from observability.service_log import configure_service_log

if TYPE_CHECKING:
    from gateway.ports.predict import PredictPort
    from gateway.reporting.request_tracer import RequestTracer
    from gateway.service import Gateway

_log = structlog.get_logger("gateway")
# Longer than any client keeps an idle connection: a server that closes first meets requests that are on their way.
_KEEP_ALIVE_SECONDS = 120
# Of Python's lock: a busy event loop keeps it this long from the thread that writes the log, several times per write.
_SWITCH_SECONDS = 0.0005
_ACCEPTED_SECONDS = 0.005  # until the loop has begun to serve a connection that it has accepted
_FIRST_RELEASE_SECONDS_MAX = 10.0  # that clients wait for a release that is being loaded, before they get 503


class _Server(uvicorn.Server):
    """Two servers share one process, so neither takes the signals for itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, then end; a connection that was just accepted is among those that are closed."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(_ACCEPTED_SECONDS)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(arguments: Sequence[str], forks: WarmForks) -> None:
    """Serve until SIGTERM, with `forks` that are started; raises AutopilotError where that cannot begin."""
    settings = parse_settings(arguments)
    configure_service_log(settings.log_level, settings.log_format, service="gateway", pipeline=settings.pipeline)
    if settings.speaks_grpc:
        _require_grpc()
    with contextlib.ExitStack() as stack:
        predict = stack.enter_context(listen(settings.host, settings.port, settings.predict_fd, "--predict-fd"))
        operate = stack.enter_context(listen(settings.host, settings.operate_port, settings.operate_fd, "--operate-fd"))
        sockets = [predict, operate]
        if settings.grpc_fd is not None or (settings.speaks_grpc and not settings.standby):
            sockets.append(stack.enter_context(_listen_for_grpc(settings)))
        binds_later = settings.speaks_grpc and len(sockets) == 2 and not is_loopback(settings.host)
        bound = settings if binds_later else with_real_host(settings, *sockets)
        tokens = TokenVerifier.of(settings)
        keys = read_keys(bound, tokens)
        watches: list[KeysFileWatch | IssuerKeys] = []
        if settings.keys_file is not None:
            watches.append(KeysFileWatch(bound, settings.keys_file, keys, tokens))
        if tokens is not None:
            watches.append(IssuerKeys(settings, tokens))
        _log.info("forkserver_started", pid=forks.pid)
        uvicorn_loop = uvicorn.Config(app="", loop="auto").get_loop_factory()
        with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
            runner.run(_serve(settings, keys, watches, forks, sockets))


def _listen_for_grpc(settings: GatewaySettings) -> socket.socket:
    return listen(settings.host, settings.grpc_port or 0, settings.grpc_fd, "--grpc-fd")


def _require_grpc() -> None:
    """ConfigError where the extra is not installed."""
    try:
        import google.protobuf.message  # noqa: F401
        import grpc  # noqa: F401
    except ImportError as exc:
        raise ConfigError(
            f"--grpc-port needs the extra `grpc`, and {exc.name!r} is not installed: run "
            f"pip install '{NAME}[grpc]', or leave the option out"
        ) from exc


async def _serve(
    settings: GatewaySettings,
    keys: KeyRing,
    watches: Sequence[KeysFileWatch | IssuerKeys],
    forks: WarmForks,
    sockets: list[socket.socket],
) -> None:
    """Serve on the sockets of the predict port, the operate port and, where it is on, the gRPC port."""
    from gateway.ports.operate import operate_app
    from gateway.ports.predict import PredictPort
    from gateway.service import Gateway

    gateway, ending = Gateway(settings, forks), asyncio.Event()
    port = _traced(PredictPort(gateway, keys), gateway.tracer)
    servers = [_server(app, gateway) for app in (port, operate_app(gateway, keys, ending))]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, ending, number)
    collect_rarely()
    if settings.standby and not await gateway.stand_by(ending):
        _log.info("gateway_standby_ended")
        return
    if settings.speaks_grpc and len(sockets) == 2:
        sockets.append(_listen_for_grpc(settings))  # a standby without `--grpc-fd`: the other gateway had the port
    async with gateway:
        for watch in watches:
            lost = "the keys that were read before stay in use"
            gateway.loops.start(watch.name, watch.look, RELOAD_SECONDS, lost, watch.failures_tolerated)
        sys.setswitchinterval(_SWITCH_SECONDS)
        names = ("predict", "operate", "grpc")[: len(sockets)]
        _log.info("gateway_listening", **{name: each.getsockname() for name, each in zip(names, sockets, strict=True)})
        await _serve_ports(gateway, keys, servers, sockets, ending)
    _log.info("gateway_drained")


async def _serve_ports(
    gateway: "Gateway",
    keys: KeyRing,
    servers: Sequence[_Server],
    sockets: Sequence[socket.socket],
    ending: asyncio.Event,
) -> None:
    """Serve all ports until `ending` is set, and drain them."""
    from gateway.ports.drain import drain

    settings, (predict, operate) = gateway.settings, servers

    async def wait_for_release(descriptor: int | None) -> None:
        if settings.standby or descriptor is not None:  # clients wait in the backlog, and need no 503
            await gateway.wait_for_release(_FIRST_RELEASE_SECONDS_MAX)

    async def serve_predictions() -> None:
        await wait_for_release(settings.predict_fd)
        await predict.serve([sockets[0]])

    async def serve_grpc(listener: socket.socket) -> None:
        from gateway.ports.grpc.port import GrpcPort, serve_until

        await wait_for_release(settings.grpc_fd)
        context = None if gateway.tls is None else gateway.tls.context("h2")
        await serve_until(GrpcPort(gateway, keys, _interceptors(gateway.tracer), context), listener, ending)

    async def wait_for_end() -> None:
        await ending.wait()
        await drain(servers, handing_over=gateway.log.lock.awaited)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_predictions())
        tasks.create_task(operate.serve([sockets[1]]))
        for listener in sockets[2:]:
            tasks.create_task(serve_grpc(listener))
        tasks.create_task(wait_for_end())


def _traced(port: "PredictPort", tracer: "RequestTracer | None") -> AsgiApp:
    """The predict port, with spans where requests are traced."""
    if tracer is None:
        return port
    from gateway.tracing.port import TracedPort

    return TracedPort(port, tracer)


def _interceptors(tracer: "RequestTracer | None") -> list[Any]:
    """What traces gRPC calls, where requests are traced."""
    if tracer is None:
        return []
    from gateway.tracing.calls import TracedCalls

    return [TracedCalls(tracer)]


def _server(app: Any, gateway: "Gateway") -> _Server:
    from gateway.wire.http import WholeResponses

    config = uvicorn.Config(
        app,
        http=WholeResponses,
        interface="asgi3",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,  # a header that anybody may send says nothing about who asks
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(gateway.settings.drain_seconds) or 1,
    )
    config.load()
    if gateway.tls is not None:
        config.ssl = gateway.tls.context("http/1.1")
    return _Server(config)


def _end(ending: asyncio.Event, number: int) -> None:
    _log.info("gateway_draining", signal=signal.Signals(number).name)
    ending.set()
