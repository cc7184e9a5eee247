"""One GET with everything that can go wrong named: late, cut off, too long, sent round in circles, refused."""

import logging
from dataclasses import dataclass, field

import httpx

from healing.errors import ConfigError, Looping, NotData, NotServed, Oversized, SourceUnavailable, Truncated
from tasks.config.sources_section import HttpEndpoint
from tasks.ingestion.sources.address import Lookup, shown
from tasks.ingestion.sources.retry import Deadline

CONNECTIONS_MAX = 4  # enough to hide the network in a backfill, few enough for a small source
_REDIRECTS_MAX = 5
_PROBLEM_BYTES = 4_096  # of an error's body, for the message
_BUSY = frozenset({408, 425, 429})  # the client's fault by their number, and over in a moment by their meaning


@dataclass(frozen=True)
class Answer:
    """A whole body. `asked` is the address that was asked, before redirects; `measured`: its length was known."""

    asked: httpx.URL
    content: bytes = field(repr=False)
    content_type: str
    measured: bool
    next_link: str | None


class Client:
    """Asks one endpoint. Its headers and password go to the endpoint's own origin and to no other."""

    def __init__(self, endpoint: HttpEndpoint, lookup: Lookup) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # below that it logs whole addresses, tokens and all
        self._endpoint = endpoint
        try:
            url = httpx.URL(lookup.fill(endpoint.name, endpoint.url))
        except httpx.InvalidURL as exc:
            raise ConfigError(f"source {endpoint.name}: expected an http address, found {exc}") from exc
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(f"source {endpoint.name}: expected an http or https address, found {shown(str(url))!r}")
        self._auth = httpx.BasicAuth(url.username, url.password) if url.userinfo else None
        self._own = _origin(url)
        self._client = httpx.Client(
            base_url=url.copy_with(userinfo=b""),
            headers={name: lookup.fill(endpoint.name, value) for name, value in endpoint.headers.items()},
            timeout=httpx.Timeout(endpoint.timeout_seconds, connect=endpoint.connect_seconds),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,  # a proxy of the host's environment must not decide where data come from
        )

    def close(self) -> None:
        self._client.close()

    def get(self, url: httpx.URL, deadline: Deadline, bytes_max: int) -> Answer:
        """The body at `url`, below the endpoint's address where relative; a SourceUnavailable says what went wrong."""
        request = self._client.build_request("GET", url)
        asked = request.url
        try:
            for _ in range(_REDIRECTS_MAX + 1):
                answer = self._send(request)
                try:
                    if answer.next_request is None:
                        return self._whole(asked, answer, deadline, bytes_max)
                    request = answer.next_request
                finally:
                    answer.close()
        except httpx.HTTPError as exc:
            raise self._failure(asked, exc) from exc
        raise Looping(
            f"source {self._endpoint.name}: expected an answer from {shown(str(asked))}, found more than "
            f"{_REDIRECTS_MAX} redirects, the last to {shown(str(request.url))}"
        )

    def _send(self, request: httpx.Request) -> httpx.Response:
        own = _origin(request.url) == self._own
        if not own:
            for name in self._endpoint.headers:
                request.headers.pop(name, None)
        return self._client.send(request, stream=True, auth=self._auth if own else None)

    def _whole(self, asked: httpx.URL, answer: httpx.Response, deadline: Deadline, bytes_max: int) -> Answer:
        if not answer.is_success:
            raise self._refusal(asked, answer)
        body = bytearray()
        for piece in answer.iter_bytes():
            body += piece
            deadline.check()
            if len(body) > bytes_max:
                raise Oversized(
                    f"source {self._endpoint.name}: expected at most {bytes_max} bytes from {shown(str(asked))}, "
                    "found more; raise batch_bytes_max if a batch is that large"
                )
        return Answer(
            asked=asked,
            content=bytes(body),
            content_type=answer.headers.get("content-type", ""),
            measured="content-length" in answer.headers or "transfer-encoding" in answer.headers,
            next_link=answer.links.get("next", {}).get("url"),
        )

    def _refusal(self, asked: httpx.URL, answer: httpx.Response) -> SourceUnavailable:
        problem = bytearray()
        for piece in answer.iter_bytes(_PROBLEM_BYTES):
            problem += piece
            if len(problem) >= _PROBLEM_BYTES:
                break
        final = answer.is_client_error and answer.status_code not in _BUSY
        return (NotServed if final else SourceUnavailable)(
            f"source {self._endpoint.name}: expected 200 from {shown(str(asked))}, found {answer.status_code}: "
            f"{problem.decode(errors='replace')[:120]}"
        )

    def _failure(self, asked: httpx.URL, error: httpx.HTTPError) -> SourceUnavailable:
        found = f"{type(error).__name__} {error}"
        where = f"source {self._endpoint.name}: expected an answer from {shown(str(asked))}"
        if isinstance(error, httpx.RemoteProtocolError) and "complete" in str(error):
            return Truncated(f"{where}, found a body that was cut off: {error}")
        if isinstance(error, httpx.DecodingError):
            return NotData(f"{where}, found a body that is not in its content-encoding: {error}")
        patience = self._endpoint.connect_seconds if isinstance(error, httpx.ConnectTimeout) else None
        return SourceUnavailable(f"{where} within {patience or self._endpoint.timeout_seconds} s, found {found}")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
