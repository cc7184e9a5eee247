"""All checks of `autopilot doctor`, in the order in which they run and report."""

from cli.doctor.checks import (
    alerts,
    clock,
    configuration,
    databases,
    disk,
    environment,
    keys,
    leases,
    ledger_schema,
    leftovers,
    models,
    pauses,
    permissions,
    ports,
    release_log,
    services,
)
from cli.doctor.run_checks import NamedCheck

_MODULES = (
    environment,
    permissions,
    disk,
    configuration,
    keys,
    databases,
    ledger_schema,
    clock,
    release_log,
    models,
    leftovers,
    ports,
    services,
    leases,
    pauses,
    alerts,
)
CHECKS = tuple(NamedCheck(module.NAME, module.find) for module in _MODULES)
