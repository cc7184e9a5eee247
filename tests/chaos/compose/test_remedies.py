import pytest

from chaos.compose.drill import read_catalogue
from chaos.compose.remedies import WITHOUT_ABLATION, policy_remedies, remedies_section

CATALOGUE = read_catalogue()


def test_each_remedy_of_policy_has_a_drill_that_needs_it_or_a_reason_and_not_both():
    needed = {remedy for drill in CATALOGUE for remedy in drill.ablations}
    assert not needed & set(WITHOUT_ABLATION)
    assert set(policy_remedies()) == needed | set(WITHOUT_ABLATION)


def test_a_row_names_causes_and_drills():
    section = remedies_section(CATALOGUE, policy_remedies())
    (row,) = [line for line in section.splitlines() if line.startswith("| `republish`")]
    assert row == "| `republish` | model_corrupt, store_unavailable | `every-model-corrupt` |"


def test_a_remedy_without_drill_and_reason_is_refused():
    with pytest.raises(KeyError, match="hope"):
        remedies_section(CATALOGUE, {"hope": ["unknown"]})
