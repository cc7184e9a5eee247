"""One HTTP GET, with every failure named: late, cut off, too large, redirected without end, refused."""

import base64
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from healing.errors import ConfigError, Looping, NotData, NotServed, Oversized, SourceUnavailable, Truncated
from tasks.config.sources_section import HttpEndpoint
from tasks.ingestion.sources.address import Lookup, hidden, without_secrets
from tasks.ingestion.sources.retry import Deadline

CONNECTIONS_MAX = 4  # enough to hide the network in a backfill, few enough for a small source
_REDIRECTS_MAX = 5
_ERROR_BYTES = 4_096  # of an error's body, for the message
_BUSY = frozenset({408, 425, 429})  # client errors by number, but temporary by meaning


@dataclass(frozen=True)
class HttpBody:
    """A complete body. `requested` is the address before redirects; `has_length`: its length was announced."""

    requested: httpx.URL
    content: bytes = field(repr=False)
    content_type: str
    has_length: bool
    next_link: str | None


class Client:
    """Sends requests to one source. Its headers and password go to the source's own origin and to no other."""

    def __init__(self, endpoint: HttpEndpoint, lookup: Lookup) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # below that it logs whole addresses with their secrets
        self._endpoint = endpoint
        url = _base_url(endpoint, lookup)
        self._auth = httpx.BasicAuth(url.username, url.password) if url.userinfo else None
        self._own = _origin(url)
        headers = {name: lookup.fill(endpoint.name, value) for name, value in endpoint.headers.items()}
        self._secrets = (
            *_parts(url),
            *(headers[name] for name, value in endpoint.headers.items() if "${env:" in value),
        )
        self._client = httpx.Client(
            base_url=url.copy_with(userinfo=b""),
            headers=headers,
            timeout=httpx.Timeout(endpoint.timeout_seconds, connect=endpoint.connect_seconds),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,  # a proxy in the host's environment must not decide where data come from
        )

    def close(self) -> None:
        self._client.close()

    def get(self, url: httpx.URL, deadline: Deadline, bytes_max: int) -> HttpBody:
        """The body at `url`, relative to the source's address; a SourceUnavailable says what went wrong."""
        request = self._client.build_request("GET", url)
        requested = request.url
        try:
            for _ in range(_REDIRECTS_MAX + 1):
                response = self._send(request)
                try:
                    if response.next_request is None:
                        return self._body(requested, response, deadline, bytes_max)
                    request = response.next_request
                finally:
                    response.close()
        except httpx.HTTPError as exc:
            raise self._failure(requested, exc) from exc
        raise Looping(
            f"source {self._endpoint.name}: expected an answer from {without_secrets(str(requested))}, found more than "
            f"{_REDIRECTS_MAX} redirects, the last to {without_secrets(str(request.url))}"
        )

    def _send(self, request: httpx.Request) -> httpx.Response:
        own = _origin(request.url) == self._own
        if not own:
            for name in self._endpoint.headers:
                request.headers.pop(name, None)
        return self._client.send(request, stream=True, auth=self._auth if own else None)

    def _body(self, requested: httpx.URL, response: httpx.Response, deadline: Deadline, bytes_max: int) -> HttpBody:
        if not response.is_success:
            raise self._refusal(requested, response)
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            deadline.check()
            if len(body) > bytes_max:
                raise Oversized(
                    f"source {self._endpoint.name}: expected at most {bytes_max} bytes from "
                    f"{without_secrets(str(requested))}, found more; raise batch_bytes_max if a batch is that large"
                )
        return HttpBody(
            requested=requested,
            content=bytes(body),
            content_type=response.headers.get("content-type", ""),
            has_length="content-length" in response.headers or "transfer-encoding" in response.headers,
            next_link=response.links.get("next", {}).get("url"),
        )

    def _refusal(self, requested: httpx.URL, response: httpx.Response) -> SourceUnavailable:
        body = bytearray()
        for piece in response.iter_bytes(_ERROR_BYTES):
            body += piece
            if len(body) >= _ERROR_BYTES:
                break
        final = response.is_client_error and response.status_code not in _BUSY
        return (NotServed if final else SourceUnavailable)(
            f"source {self._endpoint.name}: expected 200 from {without_secrets(str(requested))}, found "
            f"{response.status_code}: {hidden(body.decode(errors='replace'), self._secrets)[:120]}"
        )

    def _failure(self, requested: httpx.URL, error: httpx.HTTPError) -> SourceUnavailable:
        where = f"source {self._endpoint.name}: expected an answer from {without_secrets(str(requested))}"
        if isinstance(error, httpx.RemoteProtocolError) and "complete" in str(error):
            return Truncated(f"{where}, found a body that was cut off: {error}")
        if isinstance(error, httpx.DecodingError):
            return NotData(f"{where}, found a body that is not in its content-encoding: {error}")
        connecting = isinstance(error, httpx.ConnectTimeout)
        seconds = self._endpoint.connect_seconds if connecting else self._endpoint.timeout_seconds
        return SourceUnavailable(f"{where} within {seconds} s, found {type(error).__name__} {error}")


def _parts(url: httpx.URL) -> Iterator[str]:
    """What is secret in an address: the password, also as it is sent, and the values of the query."""
    if url.userinfo:
        yield url.password
        yield base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    yield from (value for _, value in url.params.multi_items())


def _base_url(endpoint: HttpEndpoint, lookup: Lookup) -> httpx.URL:
    try:
        url = httpx.URL(lookup.fill(endpoint.name, endpoint.url))
    except httpx.InvalidURL as exc:
        raise ConfigError(f"source {endpoint.name}: expected an http address, found {exc}") from exc
    if url.scheme not in ("http", "https") or not url.host:
        found = without_secrets(str(url))
        raise ConfigError(f"source {endpoint.name}: expected an http or https address, found {found!r}")
    return url


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
