"""`python -m gateway`: bind both ports, serve until SIGTERM, drain, exit 0."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
import uvicorn

from gateway.ports.keys import KeyRing, read_keys
from gateway.settings import GatewaySettings, parse_settings
from gateway.workers.memory import collect_rarely
from gateway.workers.warm import WarmForks
from healing.errors import AutopilotError, ConfigError, StoreUnavailable

_log = structlog.get_logger("gateway")
_BACKLOG = 2048
# Longer than any client keeps an idle connection: a server that closes first meets requests that are on their way.
_KEEP_ALIVE_SECONDS = 120
# Of Python's lock: a busy event loop keeps it this long from the thread that writes the log, several times per write.
_SWITCH_SECONDS = 0.0005


class _Server(uvicorn.Server):
    """Two servers share one process, so neither takes the signals for itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 drained, 1 could not start, 2 wrong settings."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        settings = parse_settings(sys.argv[1:] if arguments is None else arguments)
        keys = read_keys(settings)
        with _listen(settings.host, settings.port) as predict, _listen(settings.host, settings.operate_port) as operate:
            forks = WarmForks()
            forks.start()  # before anything else: it imports for seconds, and this process for another one beside it
            uvicorn_loop = uvicorn.Config(app="", loop="auto").get_loop_factory()
            with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
                runner.run(_serve(settings, keys, forks, predict, operate))
    except AutopilotError as exc:
        print(f"gateway: {exc}", file=sys.stderr)  # noqa: T201  the one line that a person reads
        return 2 if isinstance(exc, ConfigError) else 1
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise StoreUnavailable(f"cannot listen on {host} port {port}: {exc.strerror}; choose another port") from exc
    return listener


async def _serve(
    settings: GatewaySettings, keys: KeyRing, forks: WarmForks, predict: socket.socket, operate: socket.socket
) -> None:
    from gateway.ports.operate import operate_app
    from gateway.ports.predict import PredictPort
    from gateway.service import Gateway

    async with Gateway(settings, forks) as gateway:
        servers = [_server(PredictPort(gateway, keys), settings), _server(operate_app(gateway, keys), settings)]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _drain, servers, number)
        collect_rarely()
        sys.setswitchinterval(_SWITCH_SECONDS)
        _log.info("gateway_listening", predict=predict.getsockname(), operate=operate.getsockname())
        await asyncio.gather(*(s.serve([way]) for s, way in zip(servers, (predict, operate), strict=True)))
    _log.info("gateway_drained")


def _server(app: Any, settings: GatewaySettings) -> _Server:
    from gateway.wire.http import WholeResponses

    config = uvicorn.Config(
        app,
        http=WholeResponses,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,  # a header that anybody may send says nothing about who asks
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.drain_seconds) or 1,
    )
    return _Server(config)


def _drain(servers: Sequence[uvicorn.Server], number: int) -> None:
    _log.info("gateway_draining", signal=signal.Signals(number).name)
    for server in servers:
        server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
