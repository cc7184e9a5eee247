"""The HTTP API of the fault proxy: the routes of Toxiproxy 2, with its documents and status codes."""

import json
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chaos.proxy.proxy import AddressError, Proxy, parse_address
from chaos.proxy.toxics import TOXICS, Toxic

VERSION = "2.9.0"  # the API version of Toxiproxy that these routes follow


class ApiError(Exception):
    """A request that cannot be done; `status` is its HTTP status."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status


class ProxyApi:
    """The proxies of one process and the routes that change them. `links` are proxies to create at the start."""

    def __init__(self, links: Sequence[Mapping[str, Any]] = ()) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._links = links  # created at the start

    def application(self) -> Starlette:
        """The ASGI application. When it shuts down, every proxy closes."""
        routes = [
            Route("/version", self._version),
            Route("/reset", self._reset, methods=["POST"]),
            Route("/populate", self._populate, methods=["POST"]),
            Route("/proxies", self._list, methods=["GET"]),
            Route("/proxies", self._create, methods=["POST"]),
            Route("/proxies/{proxy}", self._show, methods=["GET"]),
            Route("/proxies/{proxy}", self._update, methods=["POST", "PATCH"]),
            Route("/proxies/{proxy}", self._delete, methods=["DELETE"]),
            Route("/proxies/{proxy}/toxics", self._list_toxics, methods=["GET"]),
            Route("/proxies/{proxy}/toxics", self._add_toxic, methods=["POST"]),
            Route("/proxies/{proxy}/toxics/{toxic}", self._show_toxic, methods=["GET"]),
            Route("/proxies/{proxy}/toxics/{toxic}", self._update_toxic, methods=["POST", "PATCH"]),
            Route("/proxies/{proxy}/toxics/{toxic}", self._delete_toxic, methods=["DELETE"]),
        ]

        @asynccontextmanager
        async def lifespan(_: Starlette) -> Any:
            for document in self._links:
                await self._new(document)
            yield
            for proxy in self.proxies.values():
                await proxy.disable()

        return Starlette(routes=routes, lifespan=lifespan, exception_handlers={ApiError: _error, OSError: _os_error})

    async def _version(self, _: Request) -> Response:
        return JSONResponse({"version": VERSION})

    async def _list(self, _: Request) -> Response:
        return JSONResponse({name: proxy.document() for name, proxy in self.proxies.items()})

    async def _create(self, request: Request) -> Response:
        proxy = await self._new(await _object(request))
        return JSONResponse(proxy.document(), status_code=201)

    async def _populate(self, request: Request) -> Response:
        """Create or replace a list of proxies, as lab configurations do."""
        documents = await request.json()
        if not isinstance(documents, list):
            raise ApiError(400, "expected a list of proxies")
        populated = []
        for document in documents:
            existing = self.proxies.get(str(document.get("name")))
            if existing is not None:
                await existing.disable()
                del self.proxies[existing.name]
            populated.append(await self._new(document))
        return JSONResponse({"proxies": [proxy.document() for proxy in populated]}, status_code=201)

    async def _new(self, document: Mapping[str, Any]) -> Proxy:
        name, upstream = document.get("name"), document.get("upstream")
        if not isinstance(name, str) or not name or not isinstance(upstream, str) or not upstream:
            raise ApiError(400, "bad request: missing required field: name and upstream are needed")
        if name in self.proxies:
            raise ApiError(409, f"proxy already exists: {name}")
        proxy = Proxy(name, str(document.get("listen") or "127.0.0.1:0"), upstream)
        _check_addresses(proxy)
        if document.get("enabled", True):
            await proxy.enable()
        self.proxies[name] = proxy
        return proxy

    async def _show(self, request: Request) -> Response:
        return JSONResponse(self._proxy(request).document())

    async def _update(self, request: Request) -> Response:
        proxy, document = self._proxy(request), await _object(request)
        moved = {key: str(document[key]) for key in ("listen", "upstream") if document.get(key)}
        enabled = bool(document.get("enabled", proxy.enabled))
        if any(getattr(proxy, key) != value for key, value in moved.items()):
            changed = Proxy(proxy.name, moved.get("listen", proxy.listen), moved.get("upstream", proxy.upstream))
            _check_addresses(changed)
            await proxy.disable()
            proxy.listen, proxy.upstream = changed.listen, changed.upstream
        await (proxy.enable() if enabled else proxy.disable())
        return JSONResponse(proxy.document())

    async def _delete(self, request: Request) -> Response:
        proxy = self._proxy(request)
        await proxy.disable()
        del self.proxies[proxy.name]
        return Response(status_code=204)

    async def _reset(self, _: Request) -> Response:
        """Enable every proxy and remove every toxic."""
        for proxy in self.proxies.values():
            for name in tuple(proxy.toxics):
                proxy.remove(name)
            await proxy.enable()
        return Response(status_code=204)

    async def _list_toxics(self, request: Request) -> Response:
        return JSONResponse([toxic.model_dump() for toxic in self._proxy(request).toxics.values()])

    async def _add_toxic(self, request: Request) -> Response:
        proxy, document = self._proxy(request), await _object(request)
        toxic = _toxic(document)
        if toxic.name in proxy.toxics:
            raise ApiError(409, f"toxic already exists: {toxic.name}")
        proxy.put(toxic)
        return JSONResponse(toxic.model_dump())

    async def _show_toxic(self, request: Request) -> Response:
        return JSONResponse(self._toxic(request).model_dump())

    async def _update_toxic(self, request: Request) -> Response:
        proxy, old, document = self._proxy(request), self._toxic(request), await _object(request)
        attributes = {**old.attributes.model_dump(), **document.get("attributes", {})}
        toxic = _toxic(
            {**old.model_dump(), "toxicity": document.get("toxicity", old.toxicity), "attributes": attributes}
        )
        proxy.put(toxic)
        return JSONResponse(toxic.model_dump())

    async def _delete_toxic(self, request: Request) -> Response:
        self._proxy(request).remove(self._toxic(request).name)
        return Response(status_code=204)

    def _proxy(self, request: Request) -> Proxy:
        name = request.path_params["proxy"]
        if name not in self.proxies:
            raise ApiError(404, f"proxy not found: {name}")
        return self.proxies[name]

    def _toxic(self, request: Request) -> Toxic:
        name = request.path_params["toxic"]
        toxics = self._proxy(request).toxics
        if name not in toxics:
            raise ApiError(404, f"toxic not found: {name}")
        return toxics[name]


def read_links(path: Path) -> list[Mapping[str, Any]]:
    """The proxies of a configuration file, as Toxiproxy's `-config`; ValueError when it is no list of JSON objects."""
    documents = json.loads(path.read_bytes())
    if not isinstance(documents, list) or not all(isinstance(each, dict) for each in documents):
        raise ValueError(f"expected a list of proxies with name, listen and upstream in {path}, found something else")
    return documents


def _toxic(document: Mapping[str, Any]) -> Toxic:
    """The toxic that a request describes; ApiError 400 for an unknown type or bad attributes."""
    kind = document.get("type")
    if kind not in TOXICS:
        raise ApiError(400, f"invalid toxic type: expected one of {', '.join(TOXICS)}, found {kind!r}")
    stream = document.get("stream") or "downstream"
    try:
        attributes = TOXICS[kind].model_validate(document.get("attributes") or {})
        return Toxic(
            name=str(document.get("name") or f"{kind}_{stream}"),
            type=kind,
            stream=stream,
            toxicity=document.get("toxicity", 1.0),
            attributes=attributes,
        )
    except ValidationError as exc:
        raise ApiError(400, f"bad request: {exc.error_count()} errors: {exc}") from exc


def _check_addresses(proxy: Proxy) -> None:
    try:
        for address in (proxy.listen, proxy.upstream):
            parse_address(address)
    except AddressError as exc:
        raise ApiError(400, str(exc)) from exc


async def _object(request: Request) -> dict[str, Any]:
    try:
        document = await request.json()
    except ValueError as exc:
        raise ApiError(400, f"bad request: expected JSON, found {exc}") from exc
    if not isinstance(document, dict):
        raise ApiError(400, f"bad request: expected a JSON object, found {type(document).__name__}")
    return document


async def _error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, ApiError)
    return JSONResponse({"error": str(exc), "status": exc.status}, status_code=exc.status)


async def _os_error(_: Request, exc: Exception) -> Response:
    """An address that is in use, mostly."""
    return JSONResponse({"error": str(exc), "status": 500}, status_code=500)
