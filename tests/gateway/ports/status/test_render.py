"""The sections of the page: what they say, and that a bad value costs at most its own place."""

import re
from copy import deepcopy
from html.parser import HTMLParser

import orjson
import pytest

from gateway.ports.status.render import SECTIONS, page_title, percent, render_page, render_sections, seconds, when
from gateway.ports.status.watch import build_page
from tests.gateway.ports.status import documents as made
from tests.gateway.ports.status.documents import CHALLENGER, CHAMPION, ago, document, empty, section

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Text(HTMLParser):
    """Collects the text of a fragment, and fails on elements that are not closed."""

    def __init__(self):
        super().__init__()
        self.words, self.open = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("line", "rect", "path", "polyline", "meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("line", "rect", "path", "polyline"):
            return
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_data(self, data):
        self.words.append(data)


def text_of(html):
    parser = Text()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return re.sub(r"\s+", " ", " ".join(parser.words)).strip()


def texts(shown):
    return {name: text_of(html) for name, html in render_sections(shown).items()}


def test_a_healthy_pipeline_at_one_glance():
    page = texts(document())
    assert page["headline"].startswith("Serving 1.0.0 Became champion 2026-02-28 12:00:01Z . Release 1 is active.")
    assert page["notices"] == ""
    assert "12.4 /s" in page["serving"]
    assert "100.00 %" in page["serving"]
    assert page["incidents"] == "Incidents No incident is open."
    assert page["rollout"] == "Rollout No model is on trial."
    assert "champion 12.4/s 1,240 0.0 % 2.0 ms 14.0 ms ready" in page["traffic"]
    assert "loss +0.0012 above acceptance, bound 0.0200" in page["model"]
    assert "58,231 rows" in page["data"]
    assert "112 rows, 1 of 60 batches refused" in page["data"]
    assert "kill-worker recovered 0.4 s 0.8 s 2.1 s 0 0" in page["drills"]
    assert "autopilot rollback tiny --reason WHY" in page["actions"]
    assert page_title(document()) == "tiny: Serving 1.0.0"


def test_the_empty_state_says_what_to_do_and_what_it_cannot_see():
    page = texts(empty())
    assert page["headline"].startswith("No release yet")
    assert "autopilot bootstrap tiny" in page["releases"]
    assert "The control plane cannot be seen: the healer has written no snapshot yet." in page["notices"]
    for name in ("incidents", "data", "drills", "model"):
        assert "Not visible: the control plane cannot be seen." in page[name]


def test_a_new_control_plane_with_nothing_in_it_is_not_called_invisible():
    nothing = {
        "data": section({"stale_after_days": None, "tables": []}),
        "drills": section([]),
        "checks": section({"latest": [], "quality_history": []}),
    }
    page = texts(document(sections=nothing))
    assert "No batch was ingested yet." in page["data"]
    assert "No drill was run yet." in page["drills"]
    assert "Not judged yet: no labels are mature." in page["model"]
    assert "Not visible" not in " ".join(page.values())


def test_an_incident_shows_its_step_and_why_and_the_command_to_approve():
    waiting = made.incident(waits_for_approval=["rollback"])
    page = texts(document(sections={"incidents": section([waiting, made.incident(open=False, ended_at=ago(5))])}))
    assert "model failing of 1.0.0 healing" in page["incidents"]
    assert "Step verify , restart worker, begun" in page["incidents"]
    assert "Why golden rows must pass for 10 s" in page["incidents"]
    assert "autopilot incident approve tiny 1b2c3d4e --remedy rollback --by NAME" in page["incidents"]
    assert "1 open incident." in page["headline"]


def test_a_rollout_shows_each_check_against_its_bound_and_what_is_still_needed():
    shown = document(serving={"trial": made.trial()}, sections={"rollout": section(made.progress(question="Go on?"))})
    page = texts(shown)
    assert "1.1.0 against 1.0.0: stage 2 of 4, canary 10.0 % of the requests" in page["rollout"]
    assert "Still needed 412 requests without a further error" in page["rollout"]
    assert "errors inconclusive 2.50 of 10.00 300" in page["rollout"]
    assert "quality inconclusive - of 10.00" in page["rollout"]
    assert "Go on?" in page["rollout"]
    assert "autopilot release abort tiny --by NAME --reason WHY" in page["rollout"]
    assert 'width="25.0"' in render_sections(shown)["rollout"]


def test_an_ab_test_shows_its_interval_and_the_days_needed():
    known = {"outcome": "revenue", "decision": "inconclusive", "estimate": 0.5, "lower": -0.25, "upper": 1.25}
    ab = {**known, "challenger_clients": 1_200, "champion_clients": 1_180, "days_needed": 3.21}
    page = texts(document(serving={"trial": made.trial()}, sections={"rollout": section(made.progress(ab=ab))}))
    assert "1.1.0 against 1.0.0: A/B test on revenue, canary 10.0 % of the requests" in page["rollout"]
    assert "0.5000 per client, -0.2500 to 1.2500 at every look, 1,200 + 1,180 clients" in page["rollout"]
    assert "Days needed about 3.2, if effect, spread and traffic stay as they were" in page["rollout"]
    decided = made.progress(ab={**ab, "lower": None, "decision": "no_difference"})
    page = texts(document(serving={"trial": made.trial()}, sections={"rollout": section(decided)}))
    assert "no client is settled yet" in page["rollout"]
    assert "decided: no difference" in page["rollout"]


def test_a_trial_is_shown_without_its_controller():
    page = texts(document(serving={"trial": made.trial()}, control_plane={"error": "no file"}))
    assert "not visible: no report of the rollout's controller" in page["rollout"]
    assert "errors inconclusive 2.50 of 10.00 300" in page["rollout"]


def test_the_report_of_another_rollout_is_not_mixed_with_this_trial():
    other = section(made.progress(digest=CHAMPION, requests_needed=9999))
    page = texts(document(serving={"trial": made.trial()}, sections={"rollout": other}))
    assert "9,999" not in page["rollout"]


def test_an_old_snapshot_is_called_old():
    old = {**document()["control_plane"], "age_seconds": 120.0, "written_at": ago(120)}
    page = texts(document(control_plane=old))
    assert "The healer's last snapshot is from 2026-03-01 11:58:00Z" in page["notices"]


def test_broken_rows_and_sections_are_named():
    broken = {
        "incidents": section([made.incident()], broken=("00aa: 'sideways' is not a valid Status",)),
        "data": section(None, error="no such table: batches"),
    }
    page = texts(document(sections=broken))
    assert "one row is left out, because it cannot be read: 00aa: 'sideways'" in page["notices"]
    assert "Data cannot be read: no such table: batches" in page["notices"]
    assert "model failing" in page["incidents"]


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), None, "many", []])
def test_a_bad_number_is_a_dash_wherever_it_is(bad):
    """Every number of the document in turn."""
    whole = document(
        serving={"trial": made.trial()},
        sections={"rollout": section(made.progress()), "incidents": section([made.incident()])},
    )
    for path in number_paths(whole):
        shown = deepcopy(whole)
        put(shown, path, bad)
        built = build_page(shown)
        orjson.loads(built.document)
        for name, html in built.sections.items():
            found = text_of(html)
            assert not re.search(r"\bnan\b|\binf\b", html, re.IGNORECASE), (path, name, html)
            if "cannot be shown" in found:
                assert name != "headline" or path[0] == "serving", (path, name, found)
        lost = [name for name, html in built.sections.items() if "This section cannot be shown" in html]
        assert len(lost) <= 2, (path, lost)
        if not isinstance(bad, str | list | dict):
            assert lost == [], (path, built.sections[lost[0]])


def number_paths(node, path=()):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from number_paths(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node[:2]):
            yield from number_paths(value, (*path, index))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path


def put(node, path, value):
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value


@pytest.mark.parametrize("part", ["serving", "models", "traffic", "releases", "loops", "control_plane"])
@pytest.mark.parametrize("bad", [{"error": "it broke"}, {}, [], None, "nonsense"])
def test_a_part_that_is_broken_leaves_the_others(part, bad):
    page = texts(document(**{part: bad}) if part != "serving" else {**document(), "serving": bad})
    assert set(page) == set(SECTIONS)
    unharmed = [name for name, text in page.items() if "cannot be shown" not in text]
    assert len(unharmed) >= len(SECTIONS) - 4
    if part != "serving":
        assert "0.1" in page["headline"] or "1.0.0" in page["headline"] or "cannot be shown" in page["headline"]


def test_names_that_others_choose_are_text_and_never_markup():
    hostile = document(
        pipeline=HOSTILE,
        serving={
            "release": {"champion": {"digest": CHAMPION, "version": HOSTILE}},
            "workers": [made.worker(CHAMPION, HOSTILE, "champion", state=HOSTILE)],
            "problems": [{"code": HOSTILE, "subject": HOSTILE, "message": HOSTILE, "since": HOSTILE}],
            "trial": made.trial(version=HOSTILE, mode=HOSTILE, checks=[made.check(HOSTILE, reason=HOSTILE)]),
        },
        releases=[made.release(1, champion=HOSTILE, note=HOSTILE, author=HOSTILE, reason=HOSTILE)],
        sections={
            "incidents": section([made.incident(cause=HOSTILE, subject=HOSTILE, summary=HOSTILE, id=HOSTILE)]),
            "pause": section({"since": ago(5), "by": HOSTILE, "reason": HOSTILE}),
            "rollout": section(made.progress(version=HOSTILE, question=HOSTILE, digest=CHALLENGER)),
        },
    )
    sections = render_sections(hostile)
    assert not any("cannot be shown" in html for html in sections.values())
    whole = render_page(sections, HOSTILE, page_title(hostile), locked=False).decode()
    for html in (*sections.values(), whole.replace('<script src="/status.js" defer></script>', "")):
        assert "<script" not in html
        assert "<img" not in html
        text_of(html) if html is not whole else None


def test_a_command_quotes_what_a_shell_would_read():
    page = texts(document(pipeline="tiny; rm -rf /"))
    assert "autopilot rollback 'tiny; rm -rf /' --reason WHY" in page["actions"]


def test_a_locked_page_holds_no_value():
    page = render_page({}, "status", "status", locked=True).decode()
    assert "This page needs the operate key" in page
    assert '<div id="sections" hidden>' in page


def test_the_page_loads_nothing_from_elsewhere():
    page = render_page(render_sections(document()), "tiny", "tiny", locked=False).decode()
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {link.split(":")[0] if link.startswith("data:") else link[0] for link in links} <= {"/", "#", "data"}
    assert not re.search(r"<style|style=|url\(|@import| on\w+=", page)


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 100, "0.0 %"), (1, 10**6, "<0.1 %"), (999_999, 10**6, ">99.9 %"), (1, 0, "-"), (1, 3, "33.3 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part, whole, shown):
    assert percent(part, whole) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.42, "0.4 s"), (59, "59 s"), (340, "6 min"), (7300, "2 h"), ("x", "-")])
def test_a_duration_has_one_unit(value, shown):
    assert seconds(value) == shown


def test_a_time_that_is_none_is_a_dash():
    assert when("yesterday") == "-"
    assert when(ago(0)) == '<time datetime="2026-03-01T12:00:00+00:00">2026-03-01 12:00:00Z</time>'
