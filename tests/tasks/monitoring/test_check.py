"""The registry of checks: every file of the package is one check, and conflicts are refused."""

import pkgutil

import pytest

from tasks.monitoring import checks
from tasks.monitoring.check import monitor_check, registered_checks
from tasks.monitoring.diagnosis import Topic


def test_each_file_of_the_package_is_one_registered_check():
    files = {module.name for module in pkgutil.iter_modules(checks.__path__)}
    assert files == {check.name for check in registered_checks()}
    assert {"drift", "predictions", "quality", "estimate", "data_quality", "volume", "serving"} <= files


def test_checks_come_in_the_order_of_their_topics():
    topics = [check.topic for check in registered_checks()]
    assert topics == sorted(topics, key=list(Topic).index)
    assert topics[0] is Topic.QUALITY


def test_a_file_in_the_package_is_all_that_a_new_check_needs(tmp_path, monkeypatch):
    package = tmp_path / "added"
    package.mkdir()
    (package / "staleness.py").write_text(
        "from tasks.monitoring.check import monitor_check\n"
        "from tasks.monitoring.diagnosis import Topic\n\n\n"
        "@monitor_check(Topic.DATA)\n"
        "def check_staleness(context):\n"
        "    return ()\n"
    )
    monkeypatch.setattr("tasks.monitoring.check._registered", {check.name: check for check in registered_checks()})
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(package)])
    added = next(check for check in registered_checks() if check.name == "staleness")
    assert added.topic is Topic.DATA


def test_a_topic_with_one_check_refuses_a_second_one():
    with pytest.raises(ValueError, match="'features' takes one check, found 'drift'"):
        monitor_check(Topic.FEATURES)(lambda context: ())


def test_a_file_with_two_checks_is_refused(monkeypatch):
    monkeypatch.setattr("tasks.monitoring.check._registered", {})
    monitor_check(Topic.DATA)(lambda context: ())
    with pytest.raises(ValueError, match="one registered function per file"):
        monitor_check(Topic.SERVING)(lambda context: ())
