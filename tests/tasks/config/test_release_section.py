"""What a pipeline may say of rollouts, and by what its trials are judged."""

from dataclasses import fields

import pytest
from pydantic import ValidationError

from benchmarks.result import PROJECT
from healing.release import Mode
from healing.trial_rules import DEFAULT_RULES, TrialCheck, TrialRules
from tasks.config.release_section import ReleaseRules, Stage


def steps(rules: ReleaseRules) -> list[tuple[str, float]]:
    return [(stage.mode.value, stage.weight) for stage in rules.stages]


def test_a_canary_goes_from_shadow_to_all_traffic_in_steps():
    assert steps(ReleaseRules()) == [
        ("shadow", 1.0),
        ("canary", 0.05),
        ("canary", 0.25),
        ("canary", 0.5),
        ("canary", 1.0),
    ]


def test_blue_green_goes_there_at_once():
    assert steps(ReleaseRules.model_validate({"strategy": "blue_green"})) == [("shadow", 1.0), ("canary", 1.0)]


def test_by_default_a_trial_is_judged_by_the_default_rules():
    assert ReleaseRules().trial_rules == DEFAULT_RULES


def test_every_rule_of_a_trial_can_be_set():
    """A rule that could not be would be one that nobody can change without changing code."""
    settable = {field.name for field in fields(TrialRules)} - {"votes"}
    assert settable <= set(ReleaseRules.model_fields)
    changed = {name: ReleaseRules.model_fields[name].default * 1.25 for name in settable}
    rules = ReleaseRules.model_validate(changed).trial_rules
    assert {name: getattr(rules, name) for name in settable} == changed


def test_a_check_that_is_only_shown_has_no_vote():
    rules = ReleaseRules.model_validate({"checks": {"latency": "show", "disagreement": "vote"}}).trial_rules
    assert rules.votes == (DEFAULT_RULES.votes - {TrialCheck.LATENCY}) | {TrialCheck.DISAGREEMENT}


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"stages": []}, "stages needs one"),
        ({"stages": [{"weight": 0.5}, {"weight": 0.5}]}, "stages go up"),
        ({"stages": [{"weight": 0.5}, {"mode": "shadow", "weight": 1.0}]}, "stages go up"),
        ({"stages": [{"weight": 0.0505}]}, "multiple of 0.001"),
        ({"strategy": "blue_green", "stages": [{"weight": 0.5}]}, "its own stages"),
        ({"strategy": "green_blue"}, "canary"),
        ({"checks": {"vibes": "vote"}}, "errors"),
        ({"on_no_dta": "ask"}, "on_no_data"),
    ],
)
def test_what_cannot_be_meant_is_refused(section, told):
    with pytest.raises(ValidationError, match=told):
        ReleaseRules.model_validate(section)


def test_a_stage_is_found_by_its_mode_and_share():
    rules = ReleaseRules()
    assert rules.stage_of(Mode.CANARY, 0.25) == 2
    assert rules.stage_of(Mode.SHADOW, 0.25) is None


def test_every_key_is_documented():
    page = (PROJECT / "docs/configuration.md").read_text()
    told = [*ReleaseRules.model_fields, *Stage.model_fields]
    assert [name for name in told if f"`{name}`" not in page and f".{name}`" not in page] == []
