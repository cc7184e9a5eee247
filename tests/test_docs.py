import re

from benchmarks.result import PROJECT
from healing.incident import Cause
from healing.policy import DEFAULT_REMEDIES
from tasks.runtime.events import EventName


def text(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def test_the_runbook_has_a_section_on_every_cause_and_no_other():
    sections = [line.removeprefix("## ") for line in text("runbook.md").splitlines() if line.startswith("## ")]
    assert sections == [cause.value for cause in Cause]


def test_the_runbook_names_the_default_remedies_of_every_cause():
    sections = re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text("runbook.md"), flags=re.MULTILINE | re.DOTALL)
    named = {cause: tuple(re.findall(r"`(\w+)`", body.split("does** (")[1].split(")")[0])) for cause, body in sections}
    assert named == {cause.value: tuple(remedies) for cause, remedies in DEFAULT_REMEDIES.items()}


def test_every_event_of_ingestion_is_documented():
    page = text("ingestion.md")
    events = [name.value for name in EventName if name.value.startswith(("autopilot.batch.", "autopilot.source."))]
    assert [name for name in events if f"`{name}`" not in page] == []


def test_every_file_and_folder_that_the_architecture_names_exists():
    page = text("architecture.md")
    named = re.findall(
        r"`((?:benchmarks|chaos|cli|docs|flows|gateway|healer|healing|pipelines|releases|tasks)/[\w./]*)`", page
    )
    assert len(named) > 30
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_the_architecture_lists_every_package_of_tasks():
    listed = re.findall(r"^  (\w+)/ ", text("architecture.md"), flags=re.MULTILINE)
    packages = {path.parent.name for path in (PROJECT / "tasks").glob("*/__init__.py")}
    assert set(listed) == packages
