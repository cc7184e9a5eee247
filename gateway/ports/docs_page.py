"""An OpenAPI document as an HTML page, without scripts and without files from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import orjson

_METHODS = ("get", "post")
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--get:#2b6cb0;--post:#2f855a}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:var(--soft);padding:.75rem;overflow:auto;border-radius:6px}
details{border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:.5rem .75rem}
summary{cursor:pointer}summary code{font-weight:600}table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{border-top:1px solid var(--line);padding:.3rem .5rem;text-align:left;vertical-align:top}
.method{display:inline-block;width:3.5rem;color:#fff;border-radius:4px;text-align:center;font-size:13px;font-weight:700}
.get{background:var(--get)}.post{background:var(--post)}
"""


def render_page(document: dict[str, Any]) -> bytes:
    """The page of a document, as UTF-8."""
    about = document["info"]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(about["title"])}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}</style><h1>{escape(about['title'])}</h1>",
        f"<p>{escape(about['summary'])} {escape(about['version'])}. {_text(about['description'])}</p>",
        '<p>The same as an OpenAPI 3.1 document: <a href="/openapi.json">/openapi.json</a>.</p><h2>Endpoints</h2>',
        *_endpoints(document),
        "<h2>Schemas</h2>",
        *(_schema(name, schema) for name, schema in document["components"]["schemas"].items()),
    ]
    return "\n".join(parts).encode()


def _endpoints(document: dict[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield _operation(path, method, methods[method])


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<details id="{escape(operation["operationId"])}"><summary>',
        f'<span class="method {method}">{method.upper()}</span>',
        f" <code>{escape(path)}</code> {_text(operation['summary'])}</summary>",
        f"<p>{_text(operation.get('description', 'Open to everybody, with or without a key.'))}</p>",
    ]
    if asked := operation.get("parameters"):
        rows = [(f"<code>{escape(p['name'])}</code>", escape(p["in"]), _text(p["description"])) for p in asked]
        parts.append(_table(("Parameter", "In", "Meaning"), rows))
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body: <code>{escape(media_type)}</code> {_named(content['schema'])}</p>")
        if "example" in content:
            parts.append(f"<pre>{escape(_example(content['example']))}</pre>")
    answers = [(escape(status), _text(a["description"]), _content(a)) for status, a in operation["responses"].items()]
    return "".join([*parts, _table(("Status", "Meaning", "Body"), answers), "</details>"])


def _content(answer: dict[str, Any]) -> str:
    lines = [
        f"<code>{escape(kind)}</code> {_named(content['schema'])}"
        for kind, content in answer.get("content", {}).items()
    ]
    lines += [
        f"<code>{escape(name)}</code>: {_text(h['description'])}" for name, h in answer.get("headers", {}).items()
    ]
    return "<br>".join(lines)


def _named(schema: dict[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#schema-{escape(name)}">{escape(name)}</a>' if name else ""


def _schema(name: str, schema: dict[str, Any]) -> str:
    written = escape(_example(schema))
    head = f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
    return f"{head}<pre>{written}</pre></details>"


def _example(example: Any) -> str:
    return example if isinstance(example, str) else orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Cells are HTML already."""
    titles = "".join(f"<th>{title}</th>" for title in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{lines}</table>"


def _text(words: str) -> str:
    """Plain words, with `code` in backticks."""
    pieces = escape(words).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
