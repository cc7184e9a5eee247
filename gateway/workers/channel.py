"""One life of one worker process, as the router sees it: a socket that answers batches until it ends."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any, cast

from gateway.workers.frames import Decoder, FrameKind, WorkerFrame, decode_answer, encode
from healing.errors import ModelCorrupt, Transient

_REAP_SECONDS_MAX = 10.0
_REAP_PAUSE_SECONDS, _REAP_PAUSE_SECONDS_MAX = 0.001, 0.05


class WorkerGone(Transient):
    """The worker ended, or does not load its model."""


class Channel(asyncio.Protocol):
    """`ready` resolves when the model is verified and warm, or raises ModelCorrupt or WorkerGone; `gone` at its end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.pid: int | None = None
        self.started: asyncio.Future[int] = loop.create_future()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._decoder = Decoder()
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: dict[int, asyncio.Future[tuple[Sequence[float], str]]] = {}
        self._batches = 0

    @classmethod
    async def open(cls, way: socket.socket) -> "Channel":
        way.setblocking(False)
        _, channel = await asyncio.get_running_loop().create_unix_connection(cls, sock=way)
        return channel

    def ask(self, columns: bytes) -> "asyncio.Future[tuple[Sequence[float], str]]":
        """Send a batch; the future gives a value a row and a note, or raises WorkerGone."""
        answer: asyncio.Future[tuple[Sequence[float], str]] = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            answer.set_exception(WorkerGone("the worker has ended"))
            return answer
        self._batches += 1
        self._waiting[self._batches] = answer
        self._transport.write(encode(FrameKind.BATCH, self._batches, columns))
        return answer

    def kill(self) -> None:
        """End the process now, whatever it is doing; stopped and hanging ones too."""
        if self.pid is not None and not self.gone.done():
            os.kill(self.pid, signal.SIGKILL)  # not reaped before `gone`, so the number is still this worker's
        if self._transport is not None:
            self._transport.abort()

    async def reap(self) -> str:
        """How the process ended, such as `was killed by SIGSEGV`. Call it once, after `kill` or `gone`.

        A process that waits for a disk that hangs does not end; it is left alone after a while.
        """
        if self.pid is None:
            return "never started"
        deadline = time.monotonic() + _REAP_SECONDS_MAX
        pause = _REAP_PAUSE_SECONDS
        while True:
            found, status = os.waitpid(self.pid, os.WNOHANG)  # noqa: ASYNC222  returns at once
            if found:
                break
            if time.monotonic() > deadline:
                return f"has not ended {_REAP_SECONDS_MAX:.0f} s after it was killed"
            await asyncio.sleep(pause)
            pause = min(2 * pause, _REAP_PAUSE_SECONDS_MAX)
        exit_code = os.waitstatus_to_exitcode(status)
        return f"was killed by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exited with {exit_code}"

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's does not inherit from asyncio's

    def data_received(self, received: bytes) -> None:
        try:
            for frame in self._decoder.feed(received):
                self._take(frame)
        except ValueError as exc:
            self._end(WorkerGone(f"the worker sent what is not an answer: {exc}"))
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(WorkerGone(f"the worker ended: {exc or 'it closed its socket'}"))
        if not self.gone.done():
            self.gone.set_result(None)

    def _take(self, frame: WorkerFrame) -> None:
        match frame.kind:
            case FrameKind.ANSWER:
                answer = self._waiting.pop(frame.number, None)
                if answer is not None and not answer.done():
                    answer.set_result(decode_answer(frame.payload))
            case FrameKind.STARTED:
                self.pid = int(frame.payload)
                self.started.set_result(self.pid)
            case FrameKind.READY if not self.ready.done():
                self.ready.set_result(None)
            case FrameKind.CORRUPT:
                self._end(ModelCorrupt(frame.payload.decode()))
            case FrameKind.BROKEN:
                self._end(WorkerGone(frame.payload.decode()))
            case _:
                raise ValueError(f"a worker does not send {frame.kind.name} now")

    def _end(self, error: Exception) -> None:
        """Fail everything that still waits for this process."""
        waiting: list[asyncio.Future[Any]] = [self.started, self.ready, *self._waiting.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits still gets it; nobody has to
        self._waiting.clear()
