"""Settings of the section `contract:`."""

import pytest
from pydantic import ValidationError

from benchmarks.result import PROJECT
from tasks.config.contract_section import Contract, Repair
from tasks.config.table import Coverage, Table, Volume


def test_a_list_of_repairs_takes_the_default_shares_and_a_map_sets_others():
    assert Contract(repairs=["rename", "impute"]).repairs == {Repair.RENAME: 1.0, Repair.IMPUTE: 0.05}
    assert Contract(repairs={"impute": 0.02}).share_max(Repair.IMPUTE) == 0.02
    assert Contract().share_max(Repair.IMPUTE) == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repairs": {"impute": 1.5}}, r"repairs.impute: expected a share of rows in \(0, 1\], found 1.5"),
        ({"dropped_null_share": 1.5}, "dropped_null_share"),
        ({"gap_ratio": 0.5}, "gap_ratio"),
        ({"history_weeks": 0}, "history_weeks"),
        ({"max_nul_share": 0.1}, "did you mean 'max_null_share'"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Contract(**change)


def test_every_setting_of_contract_and_tables_is_documented():
    page = (PROJECT / "docs/contract.md").read_text()
    for section in (Contract, Table, Volume, Coverage):
        assert [name for name in section.model_fields if f"`{name}`" not in page] == []
