"""What a monitor check is, and the registry that finds the checks in `tasks.monitoring.checks`.

To add a check, add one file to that package: a function decorated with `@monitor_check(topic)`. The file holds the
check's decision, its inputs and its messages.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from healing.incident import Cause
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict

_PACKAGE = "tasks.monitoring.checks"
_ORDER = list(Topic)


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What the checks of one monitor run read. `labelled`: whether mature labels measured the newest quality window."""

    settings: Settings
    pipeline: Pipeline
    model: MonitoredModel
    now: datetime
    labelled: bool = False

    @property
    def windows_judged(self) -> int:
        """How many windows a check without labels judges.

        With labels, the newest one is enough. Without, only drift that persists counts.
        """
        return 1 if self.labelled else self.pipeline.monitor.persistence_windows


CheckFunction = Callable[[CheckContext], Sequence[WindowVerdict]]
"""Returns the verdicts, newest window first. Empty when there is nothing to judge: no traffic, no shadow on trial."""


@dataclass(frozen=True, slots=True)
class MonitorCheck:
    """One registered check. `name` is the name of its file.

    `cause` is what `heal` treats when this check fails; None for checks that only contribute to the diagnosis.
    `shown_in_distributions`: whether the HTML report of distributions helps to understand a failure.
    """

    name: str
    topic: Topic
    judge: CheckFunction
    cause: Cause | None = None
    shown_in_distributions: bool = False


_registered: dict[str, MonitorCheck] = {}


def monitor_check(
    topic: Topic, *, cause: Cause | None = None, shown_in_distributions: bool = False
) -> Callable[[CheckFunction], CheckFunction]:
    """Register the decorated function as the check of its file. ValueError when the registry cannot take it."""

    def register(judge: CheckFunction) -> CheckFunction:
        check = MonitorCheck(judge.__module__.rpartition(".")[2], topic, judge, cause, shown_in_distributions)
        _refuse_conflict(check)
        _registered[check.name] = check
        return judge

    return register


def registered_checks() -> tuple[MonitorCheck, ...]:
    """All checks of the package, in the order of their topics, then by name."""
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{_PACKAGE}.{module.name}")
    return tuple(sorted(_registered.values(), key=lambda check: (_ORDER.index(check.topic), check.name)))


def _refuse_conflict(check: MonitorCheck) -> None:
    if check.name in _registered:
        raise ValueError(f"check {check.name!r}: expected one registered function per file, found a second one")
    taken = next((other.name for other in _registered.values() if other.topic is check.topic), None)
    if taken is not None and check.topic.has_one_check:
        raise ValueError(
            f"check {check.name!r}: topic {check.topic.value!r} takes one check, found {taken!r}; use another topic"
        )
