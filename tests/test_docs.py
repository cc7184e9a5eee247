from benchmarks.result import PROJECT
from healing.incident import Cause
from tasks.runtime.events import EventName


def text(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def test_the_runbook_has_a_section_on_every_cause_and_no_other():
    sections = [line.removeprefix("## ") for line in text("runbook.md").splitlines() if line.startswith("## ")]
    assert sections == [cause.value for cause in Cause]


def test_every_event_of_ingestion_is_documented():
    page = text("ingestion.md")
    told = [name.value for name in EventName if name.value.startswith(("autopilot.batch.", "autopilot.source."))]
    assert [name for name in told if f"`{name}`" not in page] == []
