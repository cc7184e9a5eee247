"""Redaction of logged features: what reaches the log, and what can be said with it."""

import pytest

from gateway.log.redaction import FINGERPRINT, LogRules, Redaction, read_redaction
from healing.errors import ConfigError
from healing.incident import Cause

FEATURES = {"carrier": "AA", "tail": "N-secret", "miles": 3.0, "gate": None}


def row(features=FEATURES, request_id="r1", key="k", number=0):
    return (
        request_id,
        number,
        "2013-03-01T12:00:00+00:00",
        1,
        "d",
        "1.0.0",
        "champion",
        key,
        features,
        0.25,
        None,
        "",
        3,
    )


def redaction(drop=(), hashed=(), share=1.0, secret=b"s" * 32):
    return Redaction(LogRules(frozenset(drop), frozenset(hashed), share), secret)


def features(rules, found=FEATURES):
    return rules.rows([row(found)])[0][8]


def test_a_dropped_column_is_absent_and_a_hashed_one_a_code():
    found = features(redaction({"tail"}, {"carrier", "gate"}))
    assert found.keys() == {"carrier", "miles", "gate"}
    assert found["carrier"].keys() == {"hash"}
    assert "AA" not in found["carrier"]["hash"]
    assert (found["miles"], found["gate"]) == (3.0, None)


def test_equal_values_have_equal_codes_and_others_have_other_codes():
    rules = redaction(hashed={"a", "b"})
    codes = [features(rules, {"a": value})["a"]["hash"] for value in ("1", 1, 1.0, True, "2")]
    assert codes[1] == codes[2]
    assert len(set(codes)) == 4
    assert features(rules, {"b": "1"})["b"]["hash"] != codes[0]


def test_a_code_needs_the_secret():
    assert features(redaction(hashed={"carrier"})) == features(redaction(hashed={"carrier"}))
    assert features(redaction(hashed={"carrier"})) != features(redaction(hashed={"carrier"}, secret=b"t" * 32))


def test_the_share_of_requests_keeps_its_features_and_a_repeated_request_keeps_its_decision():
    rules = redaction(share=0.25)
    kept = [bool(rules.rows([row(request_id=f"r{n}")])[0][8]) for n in range(4000)]
    assert 900 < sum(kept) < 1100
    assert kept == [bool(rules.rows([row(request_id=f"r{n}")])[0][8]) for n in range(4000)]


def test_all_rows_of_a_request_share_its_decision_and_the_first_has_its_fingerprint():
    rules = redaction(share=0.5)
    for number in range(50):
        rows = rules.rows([row(request_id=f"r{number}"), row({"miles": number}, f"r{number}", number=1)])
        assert len({bool(each[8]) for each in rows}) == 1
        assert [len(each) > FINGERPRINT for each in rows] == [True, False]


def test_the_fingerprint_depends_on_dropped_values():
    rules = redaction({"tail"})
    asked = [rules.rows([row({"tail": tail}, key=key)])[0] for tail, key in (("a", "k"), ("b", "k"), ("a", "l"))]
    assert len({each[FINGERPRINT] for each in asked}) == 3
    assert {str(each[8]) for each in asked} == {"{}"}


def test_a_column_that_no_version_reads_is_reported_and_no_features_are_logged():
    rules = redaction({"tial"})
    rules.follow(("carrier", "tail"))
    ((cause, _, message),) = rules.conditions()
    assert cause is Cause.UNKNOWN
    assert "'tial'" in message
    assert "carrier, tail" in message
    assert features(rules) == {}
    rules.follow(("carrier", "tial"))
    assert list(rules.conditions()) == []
    assert features(rules) == FEATURES


def test_a_column_named_twice_is_refused():
    with pytest.raises(ConfigError, match="'tail'"):
        LogRules(frozenset({"tail"}), frozenset({"tail"}))


def test_without_rules_there_is_no_redaction_and_with_rules_there_is_a_secret(tmp_path):
    file = tmp_path / "key"
    drop = LogRules(frozenset({"tail"}))
    assert read_redaction(LogRules(), None) is None
    with pytest.raises(ConfigError, match="--log-key-file"):
        read_redaction(drop, None)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_redaction(drop, file)
    file.write_text("too-short-secret\n")
    with pytest.raises(ConfigError, match="has 16 characters") as refused:
        read_redaction(drop, file)
    assert "too-short" not in str(refused.value)
    file.write_text("a" * 32)
    assert read_redaction(drop, file) is not None
