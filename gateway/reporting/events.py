"""Sends events to Prefect in the background, best effort; answers never wait for it.

An event only makes a repair faster. What is lost here is found again by `heal`, which reads `/release` every
five minutes.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from pydantic import SecretStr

from gateway.reporting.problems import GatewayProblem
from healing.incident import Cause

if TYPE_CHECKING:
    import httpx

_log = structlog.get_logger(__name__)
_WAITING_MAX = 256
_TIMEOUT_SECONDS = 5.0
_ATTEMPTS = 4
_RETRY_SECONDS = 1.0


class EventSender:
    """Sends events of one pipeline to Prefect's `<api>/events`, oldest first; without an address it only logs them."""

    def __init__(self, pipeline: str, url: str | None, authorization: SecretStr | None = None) -> None:
        """`authorization` is the header that Prefect demands, if it demands one."""
        self.dropped = 0
        self._authorization = authorization
        self._pipeline = pipeline
        self._url = url
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_WAITING_MAX)
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def send_problem(self, problem: GatewayProblem) -> None:
        self.send("autopilot.gateway.problem", cause=problem.code, subject=problem.subject, summary=problem.message)

    def send(
        self, name: str, *, cause: Cause, subject: str, summary: str, facts: Mapping[str, object] | None = None
    ) -> None:
        """Queue an event whose payload is evidence; dropped, and counted, when the queue is full."""
        _log.info("event", name=name, cause=cause, subject=subject, summary=summary)
        if self._url is None:
            return
        try:
            self._waiting.put_nowait(self._event(name, cause, subject, summary, facts or {}))
        except asyncio.QueueFull:
            self.dropped += 1

    def _event(
        self, name: str, cause: Cause, subject: str, summary: str, facts: Mapping[str, object]
    ) -> dict[str, Any]:
        resource = {
            "prefect.resource.id": f"autopilot.pipeline.{self._pipeline}",
            "prefect.resource.name": self._pipeline,
        }
        return {
            "id": str(uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": name,
            "resource": resource,
            "related": [],
            "payload": {"cause": cause.value, "subject": subject, "summary": summary, "facts": dict(facts)},
        }

    async def send_next(self) -> None:
        """Wait for an event and send it. An event that cannot be sent is dropped and counted, whatever the reason."""
        event = await self._waiting.get()
        assert self._url is not None, "events wait only where there is an address"
        if self._client is None:
            import httpx  # takes 0.1 s, and only a gateway with an address for events needs it

            secret = self._authorization
            headers = {} if secret is None else {"Authorization": secret.get_secret_value()}
            self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False, headers=headers)
        try:
            sent = await self._send(self._client, self._url, event)
        except Exception:
            self.dropped += 1
            raise
        self.dropped += not sent

    async def _send(self, client: "httpx.AsyncClient", url: str, event: dict[str, Any]) -> bool:
        import httpx

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = await client.post(url, json=[event])
                response.raise_for_status()
            except httpx.HTTPError as exc:
                _log.warning("event_not_sent", name=event["event"], attempt=attempt, reason=str(exc) or repr(exc))
                await asyncio.sleep(_RETRY_SECONDS * 2 ** (attempt - 1))
            else:
                return True
        return False
