"""Runs a stack on its home: refuses early, holds the lock, and leaves no process and no partial file behind."""

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from cli.stack.gateway_key import ensure_gateway_key
from cli.stack.home import (
    ADDRESSES_FILE,
    Processes,
    RunningService,
    check_home,
    locked,
    read_processes,
    reap_leftovers,
    refuse_second,
    write_processes,
)
from cli.stack.ports import choose_ports, held
from cli.stack.process_tree import ProcessTree
from cli.stack.progress import StackProgress
from cli.stack.service_manager import ServiceManager
from cli.stack.services import GRPC_VARIABLE, LOG_KEY_FILE, PORTS, Stack
from cli.stack.staging import LAB_PORTS, Staging
from cli.stack.supervisor import Stopped, Supervisor
from cli.stack.watched_service import ServiceState
from healing.errors import ConfigError
from releases.files import create_exclusively, write_atomically
from releases.signing import ensure_keys
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings

_PORT_MAX = 65535


def run(
    settings: Settings,
    pipeline: str,
    wanted: Mapping[str, int],
    ready_file: Path | None,
    stopping: threading.Event,
    staging: Staging | None = None,
) -> None:
    """Run the stack until `stopping` is set, and end every process. With `staging` it runs in a lab.

    Whatever can be refused is refused before anything is written.
    """
    config = load_pipeline(pipeline, settings.pipelines_dir)
    check_home(settings.home)
    refuse_second(settings.home)
    stack = describe(settings, config, wanted, staging)
    with locked(settings.home):
        reap_leftovers(settings.home)
        with ProcessTree() as tree:
            try:
                _run_locked(stack, tree, ready_file, stopping, staging)
            except Stopped:
                return


def describe(settings: Settings, config: Pipeline, wanted: Mapping[str, int], staging: Staging | None) -> Stack:
    """The stack of a pipeline, with its ports; ConfigError where one that is wanted is taken."""
    grpc = _grpc_port()
    names = (*PORTS, *(() if grpc is None else ("grpc",)), *(() if staging is None else LAB_PORTS))
    ports = choose_ports(names, {**wanted, **({"grpc": grpc} if grpc else {})}, read_processes(settings.home).ports)
    upstreams = {} if staging is None else staging.upstreams(ports, feeds=config.feed is not None)
    return Stack(
        home=settings.home,
        pipeline=config.name,
        pipelines_dir=settings.pipelines_dir,
        feed_module=config.feed,
        tracking_uri=settings.mlflow_tracking_uri or f"sqlite:///{settings.mlflow_dir / 'mlflow.db'}",
        keys_dir=settings.keys_dir,
        release_root=settings.release_root(config.name),
        gateway_dir=settings.gateway_dir(config.name),
        ports=ports,
        upstreams=upstreams,
        link_environment={} if staging is None else staging.environment(ports, upstreams),
        log=config.log,
    )


def _grpc_port() -> int | None:
    """The port on which the gateway is to speak gRPC, 0 for a free one, None without gRPC."""
    text = os.environ.get(GRPC_VARIABLE)
    if not text:
        return None
    if not text.isdigit() or int(text) > _PORT_MAX:
        raise ConfigError(f"{GRPC_VARIABLE}: expected a port, or 0 for a free one, found {text!r}; correct or unset it")
    return int(text)


def _ensure_log_key(path: Path) -> None:
    """Create the secret of hashed features on first use; only its owner reads it."""
    with contextlib.suppress(FileExistsError):
        create_exclusively(path, secrets.token_hex(32).encode(), mode=0o600)


def _run_locked(
    stack: Stack, tree: ProcessTree, ready_file: Path | None, stopping: threading.Event, staging: Staging | None
) -> None:
    keys = ensure_keys(stack.keys_dir)
    ensure_gateway_key(stack.keys_dir)
    if stack.log.redacts:
        _ensure_log_key(stack.keys_dir / LOG_KEY_FILE)
    logs = stack.home / "logs"
    logs.mkdir(exist_ok=True)
    addresses_file = stack.home / ADDRESSES_FILE

    def record(services: tuple[RunningService, ...] = ()) -> None:
        write_processes(
            stack.home, Processes(mark=tree.mark, pipeline=stack.pipeline, services=services, ports=dict(stack.ports))
        )

    manager = ServiceManager.of_this_process()
    record()  # before the first process: orphans are found by their mark
    with contextlib.ExitStack() as holding, StackProgress(stack) as progress:
        sockets = {
            name: holding.enter_context(held(stack.ports[name]))
            for name in ("gateway", "operate", "grpc")
            if name in stack.ports
        }

        def on_change(name: str, state: ServiceState, services: tuple[RunningService, ...]) -> None:
            record(services)
            progress.show(name, state)

        services = stack.services(keys.public, tree.mark, sockets)
        if staging is not None:
            services = staging.around(stack, services)
        supervisor = Supervisor(
            tree, services, logs, stopping, on_change=on_change, home=stack.home, on_turn=manager.alive
        )
        try:
            supervisor.start()
            write_atomically(addresses_file, json.dumps(stack.addresses(), indent=2).encode())
            if ready_file is not None:
                write_atomically(ready_file, b"ready\n")
            manager.ready()
            progress.announce()
            supervisor.watch()
        finally:
            manager.stopping()
            addresses_file.unlink(missing_ok=True)
            progress.say("stopping")
            supervisor.end()
            record()
