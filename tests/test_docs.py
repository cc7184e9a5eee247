import re

from benchmarks.result import PROJECT
from cli.doctor.registry import CHECKS
from healing.incident import Cause
from healing.policy import DEFAULT_REMEDIES
from tasks.config.alert_routing import AlertKind
from tasks.runtime.events import EventName
from tests.e2e.every_command import known_commands


def text(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


PARTS = ("Meaning", "Impact", "Diagnosis", "Mitigation")


def sections(heading: str, page: str) -> dict[str, str]:
    """The text below each heading of one level, by title, in the order of the page."""
    return dict(re.findall(rf"^{heading} (.+?)\n(.*?)(?=^{heading} |\Z)", page, flags=re.MULTILINE | re.DOTALL))


def test_the_runbook_has_a_section_on_every_cause_and_two_on_alerts():
    expected = [*(cause.value for cause in Cause), "Alerts", "Prometheus alerts"]
    assert list(sections("##", text("runbook.md"))) == expected


def test_each_section_of_the_runbook_has_its_four_parts_in_order():
    page = sections("##", text("runbook.md"))
    page |= sections("###", page.pop("Alerts")) | sections("###", page.pop("Prometheus alerts"))
    parts = {name: tuple(re.findall(r"^\*\*(\w+)\.\*\* \S", body, re.MULTILINE)) for name, body in page.items()}
    assert parts == dict.fromkeys(page, PARTS)


def test_the_runbook_names_the_default_remedies_of_every_cause():
    page = sections("##", text("runbook.md"))
    lists = {cause: page[cause].split("**Mitigation.** The system (")[1].split(")")[0] for cause in Cause}
    named = {cause: tuple(re.findall(r"`(\w+)`", listed)) for cause, listed in lists.items()}
    assert named == {cause: tuple(remedies) for cause, remedies in DEFAULT_REMEDIES.items()}


def test_the_runbook_has_a_section_on_every_kind_of_alert():
    alerts = sections("##", text("runbook.md"))["Alerts"]
    assert list(sections("###", alerts)) == [kind.value for kind in AlertKind]


def test_the_page_of_the_doctor_has_every_check_in_order():
    assert re.findall(r"^\| `(\w+)` \|", text("doctor.md"), re.MULTILINE) == [check.name for check in CHECKS]


def test_every_test_that_the_threat_model_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text("threat-model.md"))
    assert len(named) >= 15
    missing = [name for file, name in named if f"def {name}(" not in (PROJECT / file).read_text()]
    assert missing == []


def test_the_page_of_the_terminal_has_every_command_and_subcommand():
    table = text("terminal.md").partition("\n## ")[0]
    for name in known_commands():
        command, _, subcommand = name.partition(" ")
        [row] = [
            line
            for line in table.splitlines()
            if f"| `autopilot {command}`" in line or f", `autopilot {command}`" in line
        ]
        assert f"`{subcommand}`" in row or not subcommand, name


def test_every_event_of_ingestion_is_documented():
    page = text("ingestion.md")
    events = [name.value for name in EventName if name.value.startswith(("autopilot.batch.", "autopilot.source."))]
    assert [name for name in events if f"`{name}`" not in page] == []


def test_every_file_and_folder_that_the_architecture_names_exists():
    page = text("architecture.md")
    named = re.findall(
        r"`((?:benchmarks|chaos|cli|docs|flows|gateway|healer|healing|observability|pipelines|releases|tasks)/[\w./]*)`",
        page,
    )
    assert len(named) > 30
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_the_architecture_lists_every_package_of_tasks():
    listed = re.findall(r"^  (\w+)/ ", text("architecture.md"), flags=re.MULTILINE)
    packages = {path.parent.name for path in (PROJECT / "tasks").glob("*/__init__.py")}
    assert set(listed) == packages
