import pytest

from tasks.config.suggestion import did_you_mean


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("flihgts", "; did you mean 'flights'?"),
        ("FLIGHTS", "; did you mean 'flights'?"),
        ("order", "; did you mean 'orders' or 'orders-eu'?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_the_closest_known_names_are_suggested(name, end):
    assert did_you_mean(name, ["flights", "orders", "orders-eu"]) == end
