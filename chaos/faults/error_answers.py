"""A service that answers each request with an error, such as 503: its link leads to a server of the drill."""

import socket
import time
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict

from chaos import http
from chaos.agents.agent import Agent
from chaos.faults import toxic
from chaos.faults.toxic import DOWN
from chaos.lab import Lab

__all__ = ["KIND", "ErrorAnswers", "prepare"]

KIND = "error_answers"
START_SECONDS_MAX = 30.0
POLL_SECONDS = 0.05


class ErrorAnswers(BaseModel):
    """The link's upstream is replaced for as long as the fault is active."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["error_answers"] = "error_answers"
    proxy: str
    link: str
    listen: str
    upstream: str
    agent: Agent
    port: int
    status: int

    @property
    def title(self) -> str:
        return f"link {self.link} answers {self.status}"

    def inject(self) -> None:
        """Start the server, then move the link to it. TimeoutError when it does not start; httpx.HTTPError."""
        self.agent.start()
        deadline = time.monotonic() + START_SECONDS_MAX
        while _status(f"127.0.0.1:{self.port}") != self.status:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"expected a server on port {self.port} within {START_SECONDS_MAX:g} s, found none")
            time.sleep(POLL_SECONDS)
        self._move(f"127.0.0.1:{self.port}")

    def undo(self) -> None:
        """Move the link back, and end the server."""
        self._move(self.upstream)
        self.agent.end()

    def active(self) -> bool:
        """Whether a client of the link gets the error."""
        return _status(self.listen) == self.status

    def _move(self, upstream: str) -> None:
        http.request("POST", f"{self.proxy}/proxies/{self.link}", json={"upstream": upstream}).raise_for_status()


def prepare(lab: Lab, link: str, status: int = 503, seconds_max: float = 600.0) -> ErrorAnswers:
    """`link` is one of the proxy's, on this machine. LookupError as for a toxic."""
    listen = toxic.prepare(lab, link, DOWN).listen
    document = http.get(f"{lab.proxy}/proxies/{link}").raise_for_status().json()
    port = _free_port()
    agent = Agent(
        module="answer_errors",
        arguments=(str(port), str(status)),
        keep_file=lab.leases / f"{link}.errors.keep",
        seconds_max=seconds_max,
    )
    upstream = str(document["upstream"])
    return ErrorAnswers(
        proxy=lab.proxy, link=link, listen=listen, upstream=upstream, agent=agent, port=port, status=status
    )


def _status(address: str) -> int | None:
    try:
        return http.get(f"http://{address}/").status_code
    except httpx.HTTPError:
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
