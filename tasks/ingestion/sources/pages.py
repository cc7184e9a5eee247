"""From one page of a batch to the next."""

from typing import Any

import httpx

from tasks.config.sources_section import Paging
from tasks.ingestion.sources.client import Answer
from tasks.ingestion.sources.document_errors import Broken
from tasks.ingestion.sources.json_rows import parse, pick


def first_page(path: str, paging: Paging) -> httpx.URL:
    """Where a batch begins."""
    url = httpx.URL(path)
    if paging.size_parameter is not None:
        url = url.copy_set_param(paging.size_parameter, str(paging.size))
    return _numbered(url, paging, paging.first) if paging.by == "page" else url


def next_page(answer: Answer, rows: int, paging: Paging) -> httpx.URL | None:
    """Where the page after `answer` is, which brought `rows` rows; None after the last. Broken: it cannot be read."""
    match paging.by:
        case "link":
            return _joined(answer.asked, answer.next_link)
        case "next":
            return _joined(answer.asked, _field(answer, paging))
        case "cursor":
            cursor = _field(answer, paging)
            if cursor in (None, "", False):
                return None
            return answer.asked.copy_set_param(paging.parameter, str(cursor))
        case "page":
            if not rows or (paging.size is not None and rows < paging.size):
                return None
            return _numbered(answer.asked, paging, int(answer.asked.params[paging.parameter]) + 1)


def _numbered(url: httpx.URL, paging: Paging, number: int) -> httpx.URL:
    return url.copy_set_param(paging.parameter, str(number))


def _field(answer: Answer, paging: Paging) -> Any:
    return pick(parse(answer.content), paging.field)


def _joined(asked: httpx.URL, following: object) -> httpx.URL | None:
    """The next address. One on another host is not followed: data and credentials belong to this one."""
    if not following:
        return None
    url = asked.join(str(following))
    if (url.scheme, url.host, url.port) != (asked.scheme, asked.host, asked.port):
        raise Broken(f"a next page on {url.host}, not on {asked.host}")
    return url
