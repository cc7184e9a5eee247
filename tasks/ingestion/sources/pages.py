"""From one page of a batch to the next."""

from typing import Any

import httpx

from tasks.config.sources_section import Paging
from tasks.ingestion.sources.client import HttpBody
from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.json_rows import parse, pick


def first_page(path: str, paging: Paging) -> httpx.URL:
    """The address of a batch's first page."""
    url = httpx.URL(path)
    if paging.size_parameter is not None:
        url = url.copy_set_param(paging.size_parameter, str(paging.size))
    return _numbered(url, paging, paging.first) if paging.by == "page" else url


def next_page(body: HttpBody, rows: int, paging: Paging) -> httpx.URL | None:
    """The address of the page after `body`, which had `rows` rows; None after the last.

    BrokenDocument when the address cannot be read.
    """
    match paging.by:
        case "link":
            return _joined(body.requested, body.next_link)
        case "next":
            return _joined(body.requested, _field(body, paging))
        case "cursor":
            cursor = _field(body, paging)
            if cursor in (None, "", False):
                return None
            return body.requested.copy_set_param(paging.parameter, str(cursor))
        case "page":
            if not rows or (paging.size is not None and rows < paging.size):
                return None
            return _numbered(body.requested, paging, int(body.requested.params[paging.parameter]) + 1)


def _numbered(url: httpx.URL, paging: Paging, number: int) -> httpx.URL:
    return url.copy_set_param(paging.parameter, str(number))


def _field(body: HttpBody, paging: Paging) -> Any:
    return pick(parse(body.content), paging.field)


def _joined(requested: httpx.URL, following: object) -> httpx.URL | None:
    """The next address. One on another host is refused: data and credentials belong to this one."""
    if not following:
        return None
    url = requested.join(str(following))
    if (url.scheme, url.host, url.port) != (requested.scheme, requested.host, requested.port):
        raise BrokenDocument(f"a next page on {url.host}, not on {requested.host}")
    return url
