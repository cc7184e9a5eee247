"""Pages for people: HTML from a shared template, and text that is safe in a table of Markdown.

A page is one file that needs neither a server nor the network. Its template extends `page.html.jinja`.
"""

import html
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render_page(folder: Path, template: str, **values: object) -> str:
    """The page of a template in `folder`. Every value is escaped; a value that the template misses is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(template).render(**values)


def markdown_cell(text: str) -> str:
    """The text on one line, without anything that Markdown or a browser takes for a border or a tag."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("`", "'")


def svg_element(figure: "Figure") -> str:
    """The figure as an `<svg>` element alone: the document type would name an outside address."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = stream.getvalue()
    element = text[text.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
