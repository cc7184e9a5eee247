"""Section `release` of pipeline.yaml: its stages, its trial rules, and what it refuses."""

from dataclasses import fields

import pytest
from pydantic import ValidationError

from benchmarks.result import PROJECT
from healing.release import Mode
from healing.trial_rules import DEFAULT_RULES, TrialCheck, TrialRules
from tasks.config.release_section import ReleaseRules, Stage


def steps(rules: ReleaseRules) -> list[tuple[str, float]]:
    return [(stage.mode.value, stage.weight) for stage in rules.stages]


def test_canary_goes_from_shadow_to_all_traffic_in_steps():
    assert steps(ReleaseRules()) == [
        ("shadow", 1.0),
        ("canary", 0.05),
        ("canary", 0.25),
        ("canary", 0.5),
        ("canary", 1.0),
    ]


def test_blue_green_goes_from_shadow_to_all_traffic_at_once():
    assert steps(ReleaseRules.model_validate({"strategy": "blue_green"})) == [("shadow", 1.0), ("canary", 1.0)]


def test_by_default_a_trial_is_judged_by_the_default_rules():
    assert ReleaseRules().trial_rules == DEFAULT_RULES


def test_every_rule_of_a_trial_can_be_set():
    """A rule without a setting could be changed only in code."""
    settable = {field.name for field in fields(TrialRules)} - {"votes"}
    assert settable <= set(ReleaseRules.model_fields)
    changed = {name: ReleaseRules.model_fields[name].default * 1.25 for name in settable}
    rules = ReleaseRules.model_validate(changed).trial_rules
    assert {name: getattr(rules, name) for name in settable} == changed


def test_a_check_that_is_only_shown_has_no_vote():
    rules = ReleaseRules.model_validate({"checks": {"latency": "show", "disagreement": "vote"}}).trial_rules
    assert rules.votes == (DEFAULT_RULES.votes - {TrialCheck.LATENCY}) | {TrialCheck.DISAGREEMENT}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"stages": []}, "one stage or more"),
        ({"stages": [{"weight": 0.5}, {"weight": 0.5}]}, "growing weights"),
        ({"stages": [{"weight": 0.5}, {"mode": "shadow", "weight": 1.0}]}, "growing weights"),
        ({"stages": [{"weight": 0.0505}]}, "multiple of 0.001"),
        ({"strategy": "blue_green", "stages": [{"weight": 0.5}]}, "stages of its own"),
        ({"strategy": "green_blue"}, "canary"),
        ({"checks": {"vibes": "vote"}}, "errors"),
        ({"on_no_dta": "ask"}, "on_no_data"),
    ],
)
def test_an_invalid_section_is_refused_with_what_was_expected(section, message):
    with pytest.raises(ValidationError, match=message):
        ReleaseRules.model_validate(section)


def test_a_stage_is_found_by_mode_and_weight():
    rules = ReleaseRules()
    assert rules.stage_of(Mode.CANARY, 0.25) == 2
    assert rules.stage_of(Mode.SHADOW, 0.25) is None


def test_every_key_is_documented():
    page = (PROJECT / "docs/configuration.md").read_text()
    keys = [*ReleaseRules.model_fields, *Stage.model_fields]
    assert [name for name in keys if f"`{name}`" not in page and f".{name}`" not in page] == []


@pytest.mark.parametrize("model", [ReleaseRules, Stage])
def test_every_key_has_a_description_and_a_unit_of_time_where_it_has_one(model):
    for name, field in model.model_fields.items():
        assert field.description, f"{name} has no description"
        for unit in ("seconds", "days"):
            if unit in name.split("_"):
                assert unit in field.description.lower(), f"{name} does not name its unit"
