"""The status page in a real browser, beside a real gateway: from the empty state over a rollout to a rollback."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from healing.release import Reason
from tests.gateway.load import keep_asking
from tests.gateway.ports.status.documents import incident, section, sections
from tests.gateway.running import run_gateway
from tests.published import PIPELINE, bootstrap, end_trial, publish_tiny_model, start_canary

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WAIT_MS = 120_000.0

# Of the first button that copies, in the order in which they appear: each stays for a moment only.
COLLECT_LABELS = """() => {
  window.labels = [];
  const button = document.querySelector("#actions button.copy");
  new MutationObserver(() => labels.push(button.textContent)).observe(button, { childList: true });
}"""

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH; install the package `chromium`"),
]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Tab:
    """A tab on the status page. `complaints` are console errors, script errors and requests to other addresses."""

    def __init__(self, browser, url):
        self.page, self.complaints = browser.new_page(), []
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda message: self._take(message.type in ("error", "warning"), message.text))
        self.page.on("pageerror", lambda error: self._take(True, str(error)))
        self.page.on("request", lambda request: self._take(not request.url.startswith((url, "data:")), request.url))
        self.page.goto(url)

    def _take(self, is_wrong, what):
        if is_wrong:
            self.complaints.append(what)

    def expect(self, selector, text):
        expect(self.page.locator(selector)).to_contain_text(text, timeout=WAIT_MS)

    def check_accessibility(self, *schemes):
        for scheme in schemes:
            self.page.emulate_media(color_scheme=scheme)
            found = Axe().run(self.page)
            assert found.violations_count == 0, found.generate_report()

    def check_phone(self):
        """No part is wider than a phone; tables scroll within their own frame."""
        usual = self.page.viewport_size
        self.page.set_viewport_size({"width": 390, "height": 844})
        assert self.page.evaluate("document.documentElement.scrollWidth") <= 390
        self.page.set_viewport_size(usual)


def test_the_page_follows_a_rollout_and_a_rollback_and_says_when_the_gateway_is_gone(browser, keys, tmp_path):
    root, snapshot = tmp_path / "releases", tmp_path / "status.json"
    champion, challenger = (
        publish_tiny_model(root, keys, version=f"0.{number}.0", seed=number) for number in range(1, 3)
    )
    options = ("--control-plane-file", str(snapshot))
    with run_gateway(root, keys, tmp_path / "gateway", *options) as gateway:
        tab = Tab(browser, str(gateway.operate.base_url))
        tab.expect("#live", "Live")
        tab.expect("#headline h2", "No release yet")
        tab.expect("#notices", "The control plane cannot be seen")
        tab.check_accessibility("light")

        bootstrap(root, champion)
        tab.expect("#headline h2", "Serving 0.1.0")
        start_canary(root, challenger, 0.3)
        with keep_asking(gateway, clients=2) as load:
            load.wait_for(50)
            tab.expect("#rollout", "0.2.0 against 0.1.0")
            tab.expect("#rollout .checks", "errors")
            tab.expect("#traffic table", "challenger")
        end_trial(root, reason=Reason.PROMOTE, champion=challenger, fallbacks=(champion,))
        tab.expect("#headline h2", "Serving 0.2.0")

        open_incident = incident(subject=challenger.digest)
        written = {"pipeline": PIPELINE, "written_at": datetime.now(UTC).isoformat()}
        snapshot.write_text(json.dumps({**written, "sections": sections(incidents=section([open_incident]))}))
        tab.expect("#incidents", "model failing of 0.2.0")
        end_trial(root, reason=Reason.ROLLBACK, champion=champion)
        tab.expect("#headline h2", "Serving 0.1.0")
        tab.expect("#releases tr.current", "rollback")
        tab.expect("#announce", "Serving 0.1.0")
        tab.check_accessibility("light", "dark")
        tab.check_phone()

        page = tab.page
        page.locator("body").press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        page.evaluate(COLLECT_LABELS)
        page.locator("#actions button.copy").first.press("Enter")
        page.wait_for_function("labels.some((label) => ['Copied', 'Selected'].includes(label))")
        assert tab.complaints == []

        assert gateway.stop() == 0
        assert "graceful" not in gateway.output.read_text()  # an open page does not hold up the end of the gateway
        tab.expect("#live", "the gateway does not answer")
        tab.expect("#headline h2", "Serving 0.1.0")


def test_a_page_behind_a_key_asks_for_it(browser, keys, tmp_path):
    key = "an-operate-key-of-tests"
    (tmp_path / "keys.json").write_text(json.dumps({"operate": [key]}))
    with run_gateway(
        tmp_path / "releases", keys, tmp_path / "gateway", "--keys-file", str(tmp_path / "keys.json")
    ) as gateway:
        tab = Tab(browser, str(gateway.operate.base_url))
        expect(tab.page.get_by_label("Operate key")).to_be_visible(timeout=WAIT_MS)
        tab.check_accessibility("dark")
        assert tab.complaints == []
        for sent, selector, text in (("wrong" * 5, "#refused", "refused"), (key, "#headline h2", "No release yet")):
            tab.page.get_by_label("Operate key").fill(sent)
            tab.page.keyboard.press("Enter")
            tab.expect(selector, text)
        tab.expect("#live", "Live")
