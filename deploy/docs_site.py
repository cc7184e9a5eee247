"""Hooks of MkDocs: the README is the first page, and links to code become text.

MkDocs calls each function by its name (https://www.mkdocs.org/dev-guide/plugins/#events).
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)([^)]*)\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the README as `index.md`, with links as a page of docs/ has them."""
    readme = (Path(config.config_file_path).parent / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=_LINK.sub(_from_docs, readme)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Replace links that leave docs/ by their text and the path in the repository."""
    docs = Path(config.docs_dir).resolve()
    folder = (docs / page.file.src_uri).parent

    def inside(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        path = f"`{target.relative_to(docs.parent)}`"
        return path if link[1].strip("`") in path else f"{link[1]} ({path} in the repository)"

    return _LINK.sub(inside, markdown)


def _from_docs(link: re.Match[str]) -> str:
    text, target, anchor = link.groups()
    return f"[{text}]({target.removeprefix('docs/') if target.startswith('docs/') else '../' + target}{anchor})"
