import pytest

from healing.errors import UsageError
from healing.versioning import Lineage, first, following

OLD = Lineage("features", "trees")


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (Lineage("features", "trees"), "1.4.3"),
        (Lineage("features", "linear"), "1.5.0"),
        (Lineage("features", "trees", "wider search"), "1.5.0"),
        (Lineage("more features", "trees"), "2.0.0"),
        (Lineage("more features", "linear"), "2.0.0"),
    ],
)
def test_what_changed_says_which_number_rises(candidate, expected):
    assert following("1.4.2", OLD, candidate) == expected


def test_a_version_is_given_away_once():
    assert following("1.4.2", OLD, OLD, taken={"1.4.3", "1.4.4"}) == "1.4.5"
    assert following("1.4.2", OLD, Lineage("features", "linear"), taken={"1.5.0"}) == "1.6.0"
    assert first() == "1.0.0"
    assert first({"1.0.0", "2.0.0"}) == "3.0.0"


def test_refuses_what_is_no_semantic_version():
    with pytest.raises(UsageError, match="MAJOR"):
        following("v1", OLD, OLD)
