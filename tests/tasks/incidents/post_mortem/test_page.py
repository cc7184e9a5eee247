"""The page of an incident: complete, escaped, and without anything from the network."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.settings import temporary_settings

from healing.evidence import Evidence
from healing.incident import Cause, Remedy, Status
from tasks.config.settings import Settings
from tasks.incidents.post_mortem.account import account_of
from tasks.incidents.post_mortem.page import as_html, as_markdown
from tasks.ledger.immediate_remedy import immediate_remedy
from tasks.ledger.store import Ledger
from tests.tasks.incidents.stories import NO_PREFECT, Story

FOREIGN = "<script>alert('x')</script> | a `b`"


@pytest.fixture
def story(tmp_path):
    settings = Settings(home=tmp_path)
    with Ledger(settings.ledger_dsn) as ledger, temporary_settings(NO_PREFECT):
        yield Story(settings, ledger, "flights", summary=FOREIGN)


@pytest.fixture
def account(story):
    return account_of(story.ledger, story.play(story.open(), Status.ESCALATED))


def test_the_page_has_every_part(account):
    page = as_html(account)
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Times",
        "Requests",
        "Evidence",
        "Considered, and why not",
        "Attempts",
        "Timeline",
        "What policy learned",
    ]
    for expected in (
        account.incident.id,
        "3 of 3 attempts within the window",
        "none explains it; 1 of 2 serving models had the problem",
        "cooling down",
        "over budget",
        "attempt 2, rollback: futile",
        "errors: 3",
    ):
        assert expected in page


def test_foreign_text_is_escaped_on_the_page_and_in_markdown(account):
    page, markdown = as_html(account), as_markdown(account, Path("page.html"))
    for text in (page, markdown):
        assert "<script" not in text
        assert "&lt;script&gt;" in text
    rows = [line for line in markdown.splitlines() if "alert(" in line and line.startswith("|")]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)


def test_the_page_needs_no_network(account):
    assert not re.search(r"(?:src|href|url)\s*[=(]", as_html(account))


def test_an_incident_without_decisions_says_what_is_not_known(story):
    evidence = Evidence("flights", Cause.NULL_SPIKE, "rows/2013-03-01", "ingest", datetime.now(UTC), FOREIGN)
    with immediate_remedy(story.ledger, evidence, Remedy.QUARANTINE_BATCH) as incident:
        pass
    account = account_of(story.ledger, story.ledger.incident(incident.id))
    page = as_html(account)
    assert "not known: the gateway was not read twice" in page
    assert "its detector chose the remedy" in page
    assert "not known" in as_markdown(account, Path("page.html"))
