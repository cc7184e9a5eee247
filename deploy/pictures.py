"""Screenshots of a running status page, for the documentation: `python -m deploy.pictures ADDRESS docs/pictures`.

ADDRESS is what `autopilot up` prints as the status page. It takes the development requirements, and the system's
Chromium. Each picture waits until the page has drawn its charts.
"""

import itertools
import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

WIDTHS = {"desktop": 1280, "phone": 390}  # pixels
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_HEIGHT = 900


def take_pictures(address: str, folder: Path) -> None:
    """Write status-WIDTH-SCHEME.png for each; playwright's TimeoutError without a chart after 30 seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for (name, width), scheme in itertools.product(WIDTHS.items(), SCHEMES):
            page = browser.new_page(viewport={"width": width, "height": _HEIGHT}, color_scheme=scheme)
            page.goto(address)
            page.wait_for_selector("svg", timeout=30_000)
            page.screenshot(path=folder / f"status-{name}-{scheme}.png")
        browser.close()


if __name__ == "__main__":
    take_pictures(sys.argv[1], Path(sys.argv[2]))
