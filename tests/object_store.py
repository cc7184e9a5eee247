"""An S3 server that we did not write (moto), and two proxies before it: faults of the network, and of HTTP."""

import asyncio
import http.client
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chaos.proxy.proxy import Proxy
from chaos.proxy.toxics import TOXICS, Toxic
from releases.release_root import ObjectRoot

SECRET = "a-secret-that-no-message-may-hold"
PATIENCE_SECONDS = 60.0


@dataclass
class HttpFaults:
    """What an HTTP proxy does to requests whose method and path match, for as many as `times` says."""

    kind: str = ""
    method: str = ""
    part: str = ""
    times: int = 0
    waiting: threading.Event = field(default_factory=threading.Event)  # set when a reply is held
    release: threading.Event = field(default_factory=threading.Event)

    def set(self, kind: str, method: str = "", part: str = "", times: int = 1_000_000) -> None:
        self.kind, self.method, self.part, self.times = kind, method, part, times

    def clear(self) -> None:
        self.kind, self.times = "", 0

    def take(self, method: str, path: str) -> str:
        if self.times and self.kind and self.method in ("", method) and self.part in path:
            self.times -= 1
            return self.kind
        return ""


class _Handler(BaseHTTPRequestHandler):
    """Forwards a request, and then answers, loses, cuts or falsifies the reply."""

    protocol_version = "HTTP/1.1"
    upstream = ("127.0.0.1", 0)
    faults = HttpFaults()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.faults.take(self.command, self.path)
        if fault == "unavailable":  # the request does not reach the server
            self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
            return
        if fault == "forbidden":
            self._answer(403, [], f"<Error><AWSAccessKeyId>{SECRET}</AWSAccessKeyId></Error>".encode())
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        if fault == "unconditional":
            headers = {name: value for name, value in headers.items() if name.lower() != "if-none-match"}
        server = http.client.HTTPConnection(*self.upstream, timeout=PATIENCE_SECONDS)
        server.request(self.command, self.path, body, headers)
        reply = server.getresponse()
        content = reply.read()
        server.close()
        if fault == "lost":  # the request took place, and its reply does not arrive
            self.close_connection = True
        elif fault == "held":
            self.faults.waiting.set()
            self.faults.release.wait(PATIENCE_SECONDS)
            self.close_connection = True
        elif fault == "truncated":  # a reply that claims to be whole
            self._answer(reply.status, reply.getheaders(), content[: len(content) // 2])
        else:
            self._answer(reply.status, reply.getheaders(), content)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _forward  # noqa: N815  names of http.server

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        length = str(len(content))
        for name, value in headers:
            if self.command == "HEAD" and name.lower() == "content-length":
                length = value
            elif name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in http.server
        return


class NetworkFaults:
    """The fault proxy of the drills, in a thread."""

    def __init__(self, upstream: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._proxy = Proxy("store", "127.0.0.1:0", upstream)
        self._run(self._proxy.enable())

    @property
    def address(self) -> str:
        return self._proxy.listen

    def add(self, kind: str, stream: str = "downstream", **attributes: Any) -> None:
        toxic = Toxic(name=kind, type=kind, stream=stream, attributes=TOXICS[kind](**attributes))  # type: ignore[arg-type]
        self._run(self._call(self._proxy.put, toxic))

    def remove(self, kind: str) -> None:
        self._run(self._call(self._proxy.remove, kind))

    def cut(self) -> None:
        self._run(self._proxy.disable())

    def mend(self) -> None:
        self._run(self._proxy.enable())

    def stop(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    @staticmethod
    async def _call(function: Any, *args: Any) -> None:
        function(*args)

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)


@dataclass
class ObjectStore:
    """A server with a bucket, reached through both proxies. `environment` is what a process needs to reach it."""

    network: NetworkFaults
    http: HttpFaults
    environment: dict[str, str]
    bucket: str
    direct: str  # address of the server itself, past the proxies

    def root(self, directory: Path, prefix: str = "toy") -> ObjectRoot:
        return ObjectRoot(f"s3://{self.bucket}/{prefix}", directory)

    def objects(self) -> dict[str, bytes]:
        """Every object of the bucket, read past the proxies."""
        import boto3

        client = boto3.client("s3", endpoint_url=self.direct, region_name="us-east-1")
        found = client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {each["Key"]: client.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read() for each in found}

    def put(self, key: str, content: bytes) -> None:
        """Overwrite an object past the proxies, as an intruder would."""
        import boto3

        client = boto3.client("s3", endpoint_url=self.direct, region_name="us-east-1")
        client.put_object(Bucket=self.bucket, Key=key, Body=content)


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A running server; the environment of this process points at it."""
    pytest.importorskip("obstore")
    server_module = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    from releases import storage

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    faults = HttpFaults()
    handler = type("Handler", (_Handler,), {"upstream": (host, port), "faults": faults})
    door = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    door.daemon_threads = True
    threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    network = NetworkFaults(f"127.0.0.1:{door.server_address[1]}")
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{network.address}",
        "AWS_ALLOW_HTTP": "true",
    }
    direct = f"http://{host}:{port}"
    bucket = f"b{time.time_ns()}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        boto3.client("s3", endpoint_url=direct, region_name="us-east-1").create_bucket(Bucket=bucket)
        storage.forget_clients()
        try:
            yield ObjectStore(network, faults, environment, bucket, direct)
        finally:
            storage.forget_clients()
            network.stop()
            door.shutdown()
            door.server_close()
            server.stop()


def environment_of_a_child(store: ObjectStore) -> dict[str, str]:
    return {**os.environ, **store.environment}
