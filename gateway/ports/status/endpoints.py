"""The endpoints of the status page: the page, its style and script, and its document as JSON."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.ports.keys import KeyRing
from gateway.ports.purpose import Purpose
from gateway.ports.status.render import render_page
from gateway.ports.status.watch import PageBuilder

OPEN_PATHS = frozenset({"/", "/status.css", "/status.js"})  # they hold no value; the page shows values only with a key
EVENTS_PATH = "/status/events"
_FOLDER = Path(__file__).parent
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class StatusEndpoints:
    """What the operate port answers at the paths of the status page."""

    def __init__(self, pages: PageBuilder, keys: KeyRing, pipeline: str) -> None:
        self._pages = pages
        self._keys = keys
        self._pipeline = pipeline
        self._style = (_FOLDER / "status.css").read_bytes()
        self._script = (_FOLDER / "status.js").read_bytes()

    def routes(self) -> list[Route]:
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/status", self.document, methods=["GET"]),
            Route("/status.css", self.style, methods=["GET"]),
            Route("/status.js", self.script, methods=["GET"]),
        ]

    async def page(self, request: Request) -> Response:
        """With every value where the request may see them, else with a question for the key."""
        if self._keys.refusal(dict(request.scope["headers"]), Purpose.OPERATE) is not None:
            content = render_page({}, "status", "status", locked=True)
        else:
            built = await self._pages.latest()
            content = render_page(built.sections, self._pipeline, built.title, locked=False)
        return Response(content, media_type="text/html", headers=_HEADERS)

    async def document(self, _: Request) -> Response:
        return Response((await self._pages.latest()).document, media_type="application/json", headers=_HEADERS)

    async def style(self, _: Request) -> Response:
        return Response(self._style, media_type="text/css", headers=_HEADERS)

    async def script(self, _: Request) -> Response:
        return Response(self._script, media_type="text/javascript", headers=_HEADERS)
