"""The policy that policy.yaml and a pipeline's section lead to, and every fault that is refused, all at once."""

import re
from datetime import UTC, datetime
from random import Random

import pytest
import yaml

from benchmarks.result import PROJECT
from healing.incident import Cause, Remedy
from healing.limits import Limits
from healing.maintenance import held_back
from healing.policy import DEFAULT_REMEDIES, Policy
from tasks.config.alert_routing import AlertKind, AlertRouting
from tasks.config.policy_file import read_policy

SHIPPED = PROJECT / "pipelines"


def read(folder, text="", own=None):
    (folder / "policy.yaml").write_text(text)
    return read_policy(folder, own, ["flights"])


def sound(folder, text="", own=None):
    reading = read(folder, text, own)
    assert [str(fault) for fault in (*reading.file_faults, *reading.own_faults)] == []
    return reading.loaded


def faults(folder, text="", own=None):
    reading = read(folder, text, own)
    return [str(fault) for fault in (*reading.file_faults, *reading.own_faults)]


def test_the_shipped_file_names_every_default_and_changes_none():
    reading = read_policy(SHIPPED, None, ["flights"])
    assert (*reading.file_faults, *reading.own_faults) == ()
    assert reading.loaded.policy == Policy()
    assert reading.loaded.routing == AlertRouting()
    document = yaml.safe_load((SHIPPED / "policy.yaml").read_text())
    assert set(document["limits"]) == set(Limits.__slots__)
    assert set(document["alerts"]["send"]) == set(AlertKind)
    assert {cause: tuple(order) for cause, order in document["causes"].items()} == dict(DEFAULT_REMEDIES)


def test_the_examples_in_the_comments_of_the_shipped_file_are_accepted(tmp_path):
    text = (SHIPPED / "policy.yaml").read_text()
    routes = [re.sub(r"}  .*", "}", line.partition("#")[2]) for line in text.splitlines() if line.startswith("  #   ")]
    lines = [line.removeprefix("#") for line in text.splitlines() if line.startswith("#   ")]
    cause = lines.index("   model_failing:")
    document = "\n".join(["alerts:", "  routes:", *routes, "maintenance:", *lines[:cause], "causes:", *lines[cause:]])
    loaded = sound(tmp_path, document)
    assert len(loaded.policy.windows) == 2
    assert set(loaded.routing.addresses) == {"on_call", "team", "screen"}
    assert loaded.policy.approvals == {Cause.MODEL_FAILING: {Remedy.ROLLBACK}}


def test_a_pipeline_replaces_single_keys_of_a_cause(tmp_path):
    text = """
limits: {attempts_max: 4, cooldown_seconds: 10}
causes:
  model_slow: {limits: {cooldown_seconds: 20, attempts_daily_max: 6}, approval: [rollback]}
"""
    policy = sound(tmp_path, text, {"model_slow": {"limits": {"attempts_daily_max": 8}}, "data_drift": []}).policy
    assert policy.limits == Limits(attempts_max=4, cooldown_seconds=10)
    assert policy.limits_for(Cause.MODEL_SLOW) == Limits(attempts_max=4, cooldown_seconds=20, attempts_daily_max=8)
    assert policy.limits_for(Cause.DATA_DRIFT) == policy.limits
    assert policy.remedies[Cause.MODEL_SLOW] == DEFAULT_REMEDIES[Cause.MODEL_SLOW]
    assert policy.remedies[Cause.DATA_DRIFT] == ()
    assert policy.approvals == {Cause.MODEL_SLOW: {Remedy.ROLLBACK}}


def test_an_approval_for_a_remedy_that_the_pipeline_does_not_use_is_dropped(tmp_path):
    text = "causes: {model_slow: {approval: [rollback]}}"
    assert sound(tmp_path, text, {"model_slow": ["restart_worker"]}).policy.approvals[Cause.MODEL_SLOW] == set()


def test_routes_of_a_cause_replace_those_of_its_kinds_only(tmp_path):
    text = """
alerts:
  routes: {pager: {env: PAGER_URL}, mail: {file: mail.url}}
  send: {over: [mail]}
causes: {model_slow: {alerts: {escalation: [pager, mail]}}, model_corrupt: {alerts: [pager]}}
"""
    routing = sound(tmp_path, text).routing
    assert routing.routes_for(Cause.MODEL_SLOW, AlertKind.ESCALATION) == ("pager", "mail")
    assert routing.routes_for(Cause.MODEL_SLOW, AlertKind.OVER) == ("mail",)
    assert routing.routes_for(Cause.MODEL_CORRUPT, AlertKind.OVER) == ("pager",)
    assert routing.routes_for(Cause.DATA_DRIFT, AlertKind.APPROVAL) == ("default",)


def test_the_address_of_a_route_is_read_when_it_is_used(tmp_path, monkeypatch):
    text = "alerts: {routes: {pager: {env: PAGER_URL}, mail: {file: mail.url}, screen: {url: 'json://127.0.0.1:9/'}}}"
    addresses = sound(tmp_path, text).routing.addresses
    assert addresses["pager"].read() is None
    assert addresses["mail"].read() is None
    monkeypatch.setenv("PAGER_URL", "slack://s3cret")
    (tmp_path / "mail.url").write_text("mailto://s3cret\n")
    assert addresses["pager"].read().get_secret_value() == "slack://s3cret"
    assert addresses["mail"].read().get_secret_value() == "mailto://s3cret"
    assert addresses["screen"].read().get_secret_value() == "json://127.0.0.1:9/"
    assert "s3cret" not in f"{addresses}"


def test_a_weekly_window_is_read_with_and_without_quotes(tmp_path):
    text = """
maintenance:
  - {name: a, days: [sun], start: "02:00", end: 22:30, timezone: Europe/Berlin, except: [], causes: [model_slow]}
"""
    windows = sound(tmp_path, text).policy.windows
    sunday = datetime(2026, 1, 4, 21, 29, tzinfo=UTC)
    assert Remedy.ROLLBACK in held_back(windows, "flights", Cause.MODEL_SLOW, sunday)
    assert not held_back(windows, "flights", Cause.MODEL_SLOW, sunday.replace(minute=30))
    assert not held_back(windows, "flights", Cause.MODEL_CORRUPT, sunday)


ONCE = "start: 2026-03-01T22:00, end: 2026-03-02T02:00, timezone: Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("limit: {}", "limit: expected one of the keys limits, .* found 'limit'; did you mean 'limits'"),
        ("limits: {attempt_max: 1}", "limits.attempt_max: .* did you mean 'attempts_max'"),
        ("causes: {model_slow: {limit: {}}}", "causes.model_slow.limit: .* remedies, limits, .* mean 'limits'"),
        ("causes: {model_slow: {limits: {attempt_max: 1}}}", "model_slow.limits.attempt_max: .* mean 'attempts_max'"),
        ("alerts: {routes: {a: {evn: X, env: X}}}", "alerts.routes.a.evn: expected one of the keys env, file, url"),
        ("limits: {attempts_max: 0}", "limits.attempts_max: expected greater than or equal to 1, found 0"),
        ("limits: {cooldown_seconds: -1}", "limits.cooldown_seconds: .* found -1"),
        ("limits: {window_seconds: .nan}", "limits.window_seconds: expected a finite number, found nan"),
        ("limits: {remind_seconds: 0}", "limits.remind_seconds: .* 60, found 0"),
        ("limits: {attempts_max: 30}", r"limits.attempts_max: expected at most attempts_daily_max \(24\), found 30"),
        ("limits: {hold_seconds: 60}", "limits.hold_seconds: expected less than verify_seconds_max .* could succeed"),
        ("limits: {attempts_max: 20}", "limits.cooldown_seconds: .* found 20 attempts that can take 4369 h"),
        ("limits: {window_seconds: 60, cooldown_seconds: 0}", "limits.window_seconds: .* use up the 24 attempts"),
        ("causes: {model_sloow: [wait]}", "causes.model_sloow: expected a cause, .* did you mean 'model_slow'"),
        ("causes: {model_slow: [rolback]}", r"causes.model_slow\[0\]: .* found 'rolback'; did you mean 'rollback'"),
        ("causes: {model_slow: [retry]}", "causes.model_slow: .* found 'retry', which cannot treat it; remove it"),
        ("causes: {model_slow: [rollback, wait, rollback]}", "causes.model_slow: .* 'rollback' 2 times, which loops"),
        ("causes: {model_slow: [escalate, rollback]}", "causes.model_slow: expected 'escalate' as the last remedy"),
        ("causes: {bad_rows: [pause_pipeline, wait]}", "causes.bad_rows: expected 'pause_pipeline' as the last remedy"),
        ("causes: {model_slow: rollback}", "causes.model_slow: expected a list of remedies, or a section"),
        ("causes: {model_slow: {approval: [retrain]}}", "causes.model_slow.approval: .* 'retrain', which is not one"),
        ("causes: {unknown: {approval: [escalate]}}", "causes.unknown.approval: .* needs no approval"),
        ("causes: {gateway_down: {approval: [wait]}}", "causes.gateway_down.approval: .* found 'wait'"),
        ("causes: {schema_break: {approval: [repair_batch]}}", "schema_break.approval: .* ingestion applies at once"),
        ("causes: {model_slow: {alerts: [pager]}}", "causes.model_slow.alerts: .* 'pager', which is not defined"),
        ("causes: {model_slow: {limits: {attempts_max: 25}}}", "causes.model_slow.limits.attempts_max: "),
        ("alerts: {send: {over: [pager]}}", "alerts.send: .* found 'pager', which is not defined; define"),
        ("alerts: {routes: {a: {}}}", "alerts.routes.a: expected exactly one of env, file, url, found none of them"),
        ("alerts: {routes: {a: {env: X, file: y}}}", "alerts.routes.a: .* found env, file; keep one"),
        ("alerts: {routes: {default: {env: X}}}", "alerts.routes.default: .* built in"),
        ("alerts: {routes: {a: {url: nonsense}}}", "alerts.routes.a.url: expected an Apprise URL"),
        (f"maintenance: [{{name: a, {ONCE}}}, {{name: a, {ONCE}}}]", "maintenance.a: .* found 2 of this name"),
        (
            "maintenance: [{name: a, start: 2026-03-02T02:00Z}]",
            r"maintenance\[0\].end: expected this key, found nothing",
        ),
        ("maintenance: [{name: a, start: 2026-03-02T02:00Z, end: 2026-03-01T02:00Z}]", "a.end: expected an end after"),
        ("maintenance: [{name: a, start: 2026-03-02T02:00, end: 2026-03-03T02:00}]", "a.timezone: .* without offset"),
        (f"maintenance: [{{name: a, {ONCE.replace('Berlin', 'Berln')}}}]", "a.timezone: .* found 'Europe/Berln'"),
        (f"maintenance: [{{name: a, {ONCE}, pipelines: [taxis]}}]", "a.pipelines: .* found 'taxis'"),
        (f"maintenance: [{{name: a, {ONCE}, remedies: [retry], except: [retry]}}]", "maintenance.a: .* one list"),
        (f"maintenance: [{{name: a, {ONCE}, days: [sun]}}]", "a.start: expected a time of day such as '22:00'"),
        (
            "maintenance: [{name: a, start: '22:00', end: 2026-03-01T02:00Z}]",
            "a.start: .* for a time of day, say on which days",
        ),
        ("maintenance: [{name: a, days: [son], start: 1:00, end: 2:00, timezone: UTC}]", "a.days: .* found son"),
        ("maintenance: [{name: a, days: [sun], start: 1:00, end: 2:00}]", "a.timezone: .* found none"),
        ("maintenance: [{name: a, days: [sun], start: 1:00, end: 1:00, timezone: UTC}]", "a.end: .* whole day"),
        ("- limits", "top level: expected a map, found a list"),
        ("limits: [", "top level: expected YAML, found"),
    ],
)
def test_a_fault_is_refused_with_its_place_and_what_to_do(tmp_path, text, fault):
    found, *others = faults(tmp_path, text)
    assert re.search(fault, found), found
    assert len(others) == text.count("days: [sun]}"), others  # both times have the wrong form


def test_all_faults_of_both_files_are_reported_at_once(tmp_path):
    text = """
limits: {attempts_max: 0, window: 5}
causes: {model_slow: [rolback, restart_worker, restart_worker], data_drift: {approval: [rollback]}}
"""
    found = faults(tmp_path, text, {"model_slow": ["rollback", "rollback"], "bad_row": []})
    assert [each.partition(": expected")[0] for each in found] == [
        "limits.attempts_max",
        "limits.window",
        "causes.model_slow[0]",
        "causes.model_slow",
        "causes.data_drift.approval",
        "policy.bad_row",
        "policy.model_slow",
    ]


@pytest.mark.parametrize("route", ["slack://s3cret/a/b", "{url: 'mailto://me:s3cret@example.org'}", "{url: [s3cret]}"])
def test_no_message_shows_the_secret_of_a_route(tmp_path, route):
    found = faults(tmp_path, f"alerts: {{routes: {{a: {route}}}}}")
    assert found
    assert all(each.startswith("alerts.routes.a") and "s3cret" not in each for each in found)


_KEYS = ("limits", "alerts", "maintenance", "causes", "routes", "send", "model_slow", "remedies", "approval", "env")
_KEYS += ("attempts_max", "name", "start", "end", "days", "timezone", "escalation", "except", "pipelines", 1, None)
_VALUES = (None, True, 0, -1, 1e9, float("nan"), "", "rollback", "escalate", "22:00", "2026-01-01", "a://b@c", "\x00")
_VALUES += (["rollback"], ["wait", "wait"], [], {}, [[]], [{}])


def drawn(random, depth=0):
    """A document by chance, of known and unknown keys."""
    if depth > 4 or random.random() < 0.35:
        return random.choice(_VALUES)
    if random.random() < 0.25:
        return [drawn(random, depth + 1) for _ in range(random.randrange(3))]
    return {random.choice(_KEYS): drawn(random, depth + 1) for _ in range(random.randrange(5))}


def test_whatever_the_file_contains_is_refused_with_faults_and_not_with_a_crash(tmp_path):
    random, refused = Random(7), 0
    for _ in range(200):
        document = {key: drawn(random, 1) for key in random.sample(_KEYS[:4], 2)}
        refused += bool(faults(tmp_path, yaml.safe_dump(document), drawn(random, 2)))
    assert refused > 100
