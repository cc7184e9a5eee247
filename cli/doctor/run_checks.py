"""Runs the checks one after the other, each for a bounded time. A check that raises or hangs is a finding itself."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli.doctor.examined import Check, Examined, LedgerUnreadable, error, warning
from cli.doctor.finding import Finding
from healing.errors import AutopilotError

CHECK_SECONDS_MAX = 30.0  # a check takes milliseconds; verifying a large model on a busy disk takes seconds
REPORTS_LEDGER = "databases"  # the check that says why the ledger cannot be read


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A check and the name that its findings carry."""

    name: str
    find: Check


def run_checks(
    examined: Examined,
    checks: Sequence[NamedCheck],
    on_start: Callable[[str], None] = lambda _: None,
    seconds_max: float = CHECK_SECONDS_MAX,
) -> list[Finding]:
    """The findings of all checks, in their order. `on_start` gets the name of each check before it runs."""
    findings: list[Finding] = []
    unread = None
    for check in checks:
        on_start(check.name)
        try:
            findings += _bounded(check, examined, seconds_max)
        except LedgerUnreadable as exc:
            unread = exc
    if unread is not None and not any(each.check == REPORTS_LEDGER for each in findings):
        findings.append(
            error(REPORTS_LEDGER, "ledger", "the ledger to be readable", str(unread), "correct AUTOPILOT_LEDGER_URL")
        )
    return findings


def _bounded(check: NamedCheck, examined: Examined, seconds_max: float) -> list[Finding]:
    """The findings of one check within `seconds_max`. A check that hangs, for example on a dead disk, is left."""
    found: list[Finding] = []
    unread: list[LedgerUnreadable] = []

    def run() -> None:
        try:
            found.extend(check.find(examined))
        except LedgerUnreadable as exc:
            unread.append(exc)
        except AutopilotError as exc:
            found.append(_not_ended(check.name, str(exc), "do what the message says, and run the command again"))
        except BaseException as exc:  # noqa: BLE001  whatever it is, the other checks run
            found.append(_not_ended(check.name, repr(exc), f"report this as a defect of the check {check.name!r}"))

    thread = threading.Thread(target=run, name=f"doctor {check.name}", daemon=True)
    thread.start()
    thread.join(seconds_max)
    if thread.is_alive():
        expected, hangs = f"the check to end within {seconds_max:g} s", "it still waits"
        fix = "see what this machine waits for: `ps -eo pid,stat,wchan:30,cmd | grep ' D'`"
        return [*found, warning(check.name, "the check itself", expected, hangs, fix)]
    if unread:
        raise unread[0]
    return found


def _not_ended(name: str, found: str, fix: str) -> Finding:
    return error(name, "the check itself", "the check to end", found, fix)
