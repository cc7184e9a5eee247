import pytest

from tasks.onboarding.names import plain_names


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("amount", "amount"),
        ("Order ID", "order_id"),
        ("Größe (cm)", "grosse_cm"),
        ("1st visit", "c_1st_visit"),
        ("  %  ", "column_1"),
        ("価格", "column_1"),
        ("", "column_1"),
        ("label", "label_2"),  # the system adds a column of that name
    ],
)
def test_a_name_becomes_one_that_every_part_can_carry(name, plain):
    assert plain_names([name]) == {name: plain}


def test_names_that_differ_only_in_case_stay_apart():
    assert plain_names(["Price", "price", "PRICE "]) == {"Price": "price", "price": "price_2", "PRICE ": "price_3"}
