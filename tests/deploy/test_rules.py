"""The rules for Prometheus name metrics that exist, each alert has its section, and they fire when they should."""

import re
import shutil
import subprocess

import pytest
import yaml

from benchmarks.result import PROJECT
from deploy.metrics_page import ALL_METRICS, RULES_FOLDER, rules
from tests.deploy.promql import metrics_of
from tests.test_docs import sections, text

RULES = rules()
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
SERIES = {series for metric in ALL_METRICS for series in metric.series}
OF_PROMETHEUS = {"up"}
PROMTOOL, AMTOOL = shutil.which("promtool"), shutil.which("amtool")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert", rule.get("record")))
def test_a_rule_names_metrics_that_exist(rule):
    assert metrics_of(rule["expr"]) - SERIES - RECORDED - OF_PROMETHEUS == set()
    assert metrics_of(rule["expr"]) != set()


def test_recorded_series_are_named_by_level_metric_and_operations():
    assert [name for name in RECORDED if not re.fullmatch(r"[a-z_]+:gateway_[a-z_]+:[a-z0-9_]+", name)] == []


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert():
    headings = sections("###", sections("##", text("runbook.md"))["Prometheus alerts"])
    assert set(headings) == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_is_wrong_and_where_help_is(rule):
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    if "pipeline" in rule["expr"]:
        assert "$labels.pipeline" in rule["annotations"]["summary"]


def test_nothing_alerts_on_an_incident_that_the_system_is_healing_before_two_hours():
    waits = {rule["alert"]: rule.get("for") for rule in ALERTS if "incidents_unfinished" in rule["expr"]}
    assert waits == {"IncidentUnfinished": "2h"}


def test_the_example_configuration_loads_every_file_of_rules_and_scrapes_the_job_that_an_alert_names():
    config = yaml.safe_load((RULES_FOLDER / "prometheus.yml").read_text())
    assert set(config["rule_files"]) == {path.name for path in RULES_FOLDER.glob("*.rules.yml")}
    (down,) = (rule["expr"] for rule in ALERTS if rule["alert"] == "GatewayDown")
    assert f'job="{config["scrape_configs"][0]["job_name"]}"' in down


def test_every_alert_has_a_test_that_it_fires():
    fired = set()
    for path in (RULES_FOLDER / "tests").glob("*.yml"):
        for case in yaml.safe_load(path.read_text())["tests"]:
            fired |= {check["alertname"] for check in case.get("alert_rule_test", ()) if check.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in ALERTS}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: apt-get install prometheus)")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("test", "rules", *sorted(f"tests/{path.name}" for path in (RULES_FOLDER / "tests").glob("*.yml"))),
    ],
    ids=["check", "test"],
)
def test_promtool_accepts_the_rules_and_their_tests(arguments):
    done = subprocess.run(
        [PROMTOOL, *arguments],
        check=False,
        cwd=PROJECT / "deploy" / "prometheus",
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_of_alertmanager_names_alerts_that_exist():
    config = yaml.safe_load((RULES_FOLDER / "alertmanager.yml").read_text())
    matchers = " ".join(
        matcher
        for rule in config["inhibit_rules"]
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]
        if matcher.startswith("alertname")
    )
    named = set(re.findall(r"\w+", " ".join(re.findall(r'"([^"]*)"', matchers))))
    assert named != set()
    assert named <= {rule["alert"] for rule in ALERTS}


@pytest.mark.skipif(AMTOOL is None, reason="amtool is not installed (Debian: apt-get install prometheus-alertmanager)")
@pytest.mark.parametrize(("severity", "receiver"), [("page", "pager"), ("ticket", "tickets")])
def test_alertmanager_sends_each_severity_to_its_receiver(severity, receiver):
    arguments = ("config", "routes", "test", f"--config.file={RULES_FOLDER / 'alertmanager.yml'}")
    done = subprocess.run(
        [AMTOOL, *arguments, f"severity={severity}"], check=False, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout.strip()) == (0, receiver), done.stderr
