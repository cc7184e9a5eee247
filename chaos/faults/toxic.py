"""A network link that a fault proxy degrades or cuts: latency, a reset, a partition.

The proxy is `chaos.proxy` or a Toxiproxy server; the lab names its address, and each link is one of its proxies.
"""

import socket
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict

from chaos import http
from chaos.lab import Lab

__all__ = ["KIND", "Toxic", "prepare"]

KIND = "toxic"
DOWN = "down"
WILDCARDS = ("", "0.0.0.0", "[::]", "::")  # noqa: S104  as a server reports it
PROOF_SECONDS = 1.0  # a healthy loopback link answers within milliseconds
REQUEST = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


class Toxic(BaseModel):
    """One toxic on one link, or the link disabled (`down`)."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["toxic"] = "toxic"
    proxy: str
    link: str
    listen: str
    toxic: str
    attributes: dict[str, float] = {}
    toxicity: float = 1.0

    @property
    def title(self) -> str:
        return f"link {self.link} {self.toxic}"

    @property
    def name(self) -> str:
        """Name of the toxic in the proxy."""
        return f"drill_{self.toxic}"

    def inject(self) -> None:
        """Disable the link, or add the toxic; httpx.HTTPError when the proxy refuses."""
        if self.toxic == DOWN:
            self._call("POST", f"/proxies/{self.link}", {"enabled": False})
            return
        document = {"name": self.name, "type": self.toxic, "toxicity": self.toxicity, "attributes": self.attributes}
        self._call("POST", f"/proxies/{self.link}/toxics", document)

    def undo(self) -> None:
        """Enable the link, or remove the toxic if it is there."""
        if self.toxic == DOWN:
            self._call("POST", f"/proxies/{self.link}", {"enabled": True})
            return
        path = f"{self.proxy}/proxies/{self.link}/toxics/{self.name}"
        response = http.request("DELETE", path)
        if response.status_code != httpx.codes.NOT_FOUND:
            response.raise_for_status()

    def active(self) -> bool:
        """Whether a client of the link gets no whole answer, or gets it late."""
        took = _seconds_for_answer(self.listen)
        if self.toxic == "latency":
            return took is None or took >= self.attributes.get("latency", 0.0) / 1000
        return took is None or took >= PROOF_SECONDS

    def _call(self, method: str, path: str, document: Mapping[str, Any]) -> None:
        http.request(method, f"{self.proxy}{path}", json=document).raise_for_status()


def prepare(
    lab: Lab, link: str, toxic: str, attributes: Mapping[str, float] | None = None, toxicity: float = 1.0
) -> Toxic:
    """`link` is one of the proxy's, `toxic` is down or one of Toxiproxy's. LookupError names the links there are."""
    if not lab.proxy:
        raise LookupError("expected a fault proxy in front of the stack's services, found none in addresses.json")
    links = http.get(f"{lab.proxy}/proxies").raise_for_status().json()
    if link not in links:
        raise LookupError(f"expected a link among {', '.join(sorted(links))}, found {link!r}")
    listen = _reachable(str(links[link]["listen"]), lab.proxy)
    return Toxic(
        proxy=lab.proxy, link=link, listen=listen, toxic=toxic, attributes=dict(attributes or {}), toxicity=toxicity
    )


def _reachable(listen: str, proxy: str) -> str:
    """The address of a link for a client on this machine: one on all interfaces is at the host of the proxy's API."""
    host, _, port = listen.rpartition(":")
    return f"{urlsplit(proxy).hostname}:{port}" if host in WILDCARDS else listen


def _seconds_for_answer(address: str) -> float | None:
    """Seconds until a whole HTTP answer came through the link; None when the connection failed, infinity after
    PROOF_SECONDS without a byte."""
    host, _, port = address.rpartition(":")
    start = time.monotonic()
    try:
        with socket.create_connection((host, int(port)), timeout=PROOF_SECONDS) as connection:
            connection.sendall(REQUEST)
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
    except TimeoutError:
        return float("inf")
    except OSError:
        return None
    return time.monotonic() - start if answer.startswith(b"HTTP/1.1") else None
