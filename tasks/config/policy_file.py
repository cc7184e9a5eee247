"""Reading a policy: policy.yaml for every pipeline, then the `policy` section of one pipeline, which has precedence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SecretStr

from healing.errors import ConfigError
from healing.incident import Cause, Remedy
from healing.limits import Limits
from healing.maintenance import MaintenanceWindow
from healing.policy import DEFAULT_REMEDIES, Policy
from tasks.config.alert_routing import AlertKind, AlertRouting, RouteAddress
from tasks.config.faults import Fault, shape_faults
from tasks.config.policy_checks import build_window, check_alerts, check_cause, check_limits, check_window_names
from tasks.config.policy_section import CauseSection, KindRoutes, LimitsSection, PolicyFile, PolicySection, RouteSection

POLICY_FILE = "policy.yaml"

_Causes = Mapping[Cause, CauseSection]
_Orders = Mapping[Cause, tuple[Remedy, ...]]


class _OwnPolicy(PolicySection):
    """The part of pipeline.yaml that is policy."""

    policy: dict[Cause, CauseSection] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """The policy of one pipeline, and where its messages to people are sent."""

    policy: Policy = field(default_factory=Policy)
    routing: AlertRouting = field(default_factory=AlertRouting)


@dataclass(frozen=True, slots=True)
class PolicyReading:
    """What was read. It may be used only if neither the file nor the pipeline's section has a fault."""

    loaded: LoadedPolicy
    file_faults: Sequence[Fault] = ()
    own_faults: Sequence[Fault] = ()


def read_policy(pipelines_dir: Path, own: object, pipelines: Sequence[str]) -> PolicyReading:
    """The policy of a pipeline whose `policy` section is `own`, with all faults at once.

    Without a policy.yaml, the built-in defaults apply. `pipelines` are the names of all pipelines.
    """
    raw, unreadable = _read(pipelines_dir / POLICY_FILE)
    faults, shared = shape_faults(PolicyFile, raw)
    own_faults, section = shape_faults(_OwnPolicy, {"policy": own or {}})
    file, causes = shared or PolicyFile(), (section or _OwnPolicy()).policy
    windows = [build_window(("maintenance", each.name), each, pipelines) for each in file.maintenance]
    faults += unreadable + [fault for broken, _ in windows for fault in broken] + _check_file(file)
    own_faults += _check_own(file, causes)
    policy = _policy(file, causes, tuple(window for _, window in windows if window is not None))
    return PolicyReading(LoadedPolicy(policy, _routing(file, causes, pipelines_dir)), faults, own_faults)


def refuse_faulty_policy(pipelines_dir: Path, pipelines: Sequence[str]) -> None:
    """ConfigError with every fault of policy.yaml, for a command that has no pipeline yet."""
    faults = read_policy(pipelines_dir, None, pipelines).file_faults
    if faults:
        raise ConfigError("\n".join(f"{pipelines_dir / POLICY_FILE}: {fault}" for fault in faults))


def _read(path: Path) -> tuple[Mapping[str, Any], list[Fault]]:
    """The content of the file; empty if there is none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, yaml.YAMLError) as exc:
        return {}, [Fault((), "YAML", " ".join(str(exc).split()), "correct the file")]
    if content is None or isinstance(content, dict):
        return content or {}, []
    hint = f"start with one of the keys {', '.join(PolicyFile.model_fields)}"
    return {}, [Fault((), "a map", f"a {type(content).__name__}", hint)]


def _check_file(file: PolicyFile) -> list[Fault]:
    """Faults of policy.yaml that single values do not show."""
    orders, routes = _orders(file.causes), tuple(file.alerts.routes)
    faults = [*check_window_names(file.maintenance), *check_alerts(("alerts",), file.alerts)]
    for cause, section in file.causes.items():
        faults += check_cause(("causes", cause), cause, section, orders[cause], routes)
        if section.limits.model_fields_set:
            limits = _limits(file.limits, section.limits)
            faults += check_limits(("causes", cause, "limits"), limits, len(orders[cause]))
    return [*faults, *check_limits(("limits",), _limits(file.limits), max(map(len, orders.values())))]


def _check_own(file: PolicyFile, causes: _Causes) -> list[Fault]:
    """Faults of the pipeline's section, on top of policy.yaml."""
    orders, routes = _orders(file.causes, causes), tuple(file.alerts.routes)
    faults: list[Fault] = []
    for cause, section in causes.items():
        faults += check_cause(("policy", cause), cause, section, orders[cause], routes)
        if section.limits.model_fields_set:
            shared = file.causes.get(cause, CauseSection())
            limits = _limits(file.limits, shared.limits, section.limits)
            faults += check_limits(("policy", cause, "limits"), limits, len(orders[cause]))
    return faults


def _orders(*levels: _Causes) -> _Orders:
    """The remedies by cause; a later level replaces an earlier one."""
    orders = dict(DEFAULT_REMEDIES)
    for level in levels:
        orders |= {cause: section.remedies for cause, section in level.items() if section.remedies is not None}
    return orders


def _limits(*levels: LimitsSection) -> Limits:
    """The limits; each key has the value of the last level that has it."""
    limits = Limits()
    for level in levels:
        limits = replace(limits, **{name: getattr(level, name) for name in level.model_fields_set})
    return limits


def _policy(file: PolicyFile, causes: _Causes, windows: tuple[MaintenanceWindow, ...]) -> Policy:
    orders = _orders(file.causes, causes)
    limits: dict[Cause, Limits] = {}
    approvals: dict[Cause, frozenset[Remedy]] = {}
    for cause, order in orders.items():
        levels = [level[cause] for level in (file.causes, causes) if cause in level]
        if any(level.limits.model_fields_set for level in levels):
            limits[cause] = _limits(file.limits, *(level.limits for level in levels))
        needed = [level.approval for level in levels if level.approval is not None]
        if needed and needed[-1]:  # an approval of policy.yaml may be for a remedy that the pipeline does not use
            approvals[cause] = frozenset(needed[-1]) & frozenset(order)
    return Policy(orders, _limits(file.limits), limits, approvals, windows)


def _routing(file: PolicyFile, causes: _Causes, folder: Path) -> AlertRouting:
    by_cause: dict[Cause, dict[AlertKind, tuple[str, ...]]] = {}
    for level in (file.causes, causes):
        for cause, section in level.items():
            if section.alerts is not None:
                by_cause[cause] = by_cause.get(cause, {}) | _given(section.alerts)
    addresses = {name: _address(route, folder) for name, route in file.alerts.routes.items()}
    return AlertRouting(addresses, dict(AlertRouting().by_kind) | _given(file.alerts.send), by_cause)


def _given(kinds: KindRoutes) -> dict[AlertKind, tuple[str, ...]]:
    return {AlertKind(name): getattr(kinds, name) for name in kinds.model_fields_set}


def _address(route: RouteSection, folder: Path) -> RouteAddress:
    """A relative file is next to policy.yaml."""
    file = None if route.file is None else folder / Path(route.file).expanduser()
    return RouteAddress(route.env, file, None if route.url is None else SecretStr(route.url))
