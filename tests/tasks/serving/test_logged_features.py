from tasks.serving.logged_features import HashedValue, LoggedFeatures, NotLogged


def test_values_are_plain_missing_hashed_or_not_logged():
    logged = LoggedFeatures('{"carrier": {"hash": "9f"}, "miles": 3.5, "gate": null}')
    assert [logged.value(name) for name in ("carrier", "miles", "gate", "tail")] == [
        HashedValue("9f"),
        3.5,
        None,
        NotLogged.VALUE,
    ]
    assert logged.unobserved(("miles", "carrier", "gate", "tail")) == ("carrier", "tail")
    assert logged.values(("miles", "gate")) == [3.5, None]
