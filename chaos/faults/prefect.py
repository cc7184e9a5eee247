"""A Prefect that starts no run: its work pool is paused, its triggers fire no more, or its server hangs."""

from collections.abc import Mapping
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from chaos import http, prefect
from chaos.faults.signalled_process import SignalledProcess
from chaos.lab import Lab

__all__ = ["KIND", "IdlePrefect", "prepare"]

KIND = "prefect"
PAGE = 200


class IdlePrefect(BaseModel):
    """Switches of Prefect's own API that stop work: one `field` of what stands at each of `paths`."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["idle_prefect"] = "idle_prefect"
    api: str
    change: Literal["paused_pool", "lost_events"]
    paths: tuple[str, ...]
    field: str
    idle: bool  # the value of the field that stops work

    @property
    def title(self) -> str:
        return f"Prefect: {self.change.replace('_', ' ')}"

    def inject(self) -> None:
        """Set every switch; httpx.HTTPError when Prefect refuses."""
        self._set(idle=True)

    def undo(self) -> None:
        """Set every switch back. May be called again."""
        self._set(idle=False)

    def active(self) -> bool:
        """Whether Prefect's own answer about each switch is that it stops work."""
        try:
            return all(self._read(path)[self.field] is self.idle for path in self.paths)
        except httpx.HTTPError:
            return False

    def _set(self, *, idle: bool) -> None:
        for path in self.paths:
            value = {self.field: self.idle if idle else not self.idle}
            prefect.call(self.api, "PATCH", path, value)  # it answers 503 while its SQLite database is busy

    def _read(self, path: str) -> Mapping[str, Any]:
        response = http.get(f"{self.api}{path}").raise_for_status()
        document: Mapping[str, Any] = response.json()
        return document


def prepare(
    lab: Lab, change: Literal["paused_pool", "lost_events", "hung"], pool: str = "autopilot"
) -> IdlePrefect | SignalledProcess:
    """`change` is paused_pool (no worker gets a run), lost_events (no automation starts one), or hung (SIGSTOP).

    LookupError for another change, without Prefect, or when there is no such pool or no enabled automation.
    """
    if not lab.prefect:
        raise LookupError("expected a stack with Prefect, found none in addresses.json")
    match change:
        case "paused_pool":
            path = f"/work_pools/{pool}"
            answer = http.get(f"{lab.prefect}{path}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise LookupError(f"expected a work pool {pool!r} in {lab.prefect}, found none")
            return IdlePrefect(api=lab.prefect, change=change, paths=(path,), field="is_paused", idle=True)
        case "lost_events":
            paths = _enabled_automations(lab.prefect)
            return IdlePrefect(api=lab.prefect, change=change, paths=paths, field="enabled", idle=False)
        case "hung":
            return SignalledProcess(process=lab.process("prefect"), signal="STOP", name="prefect")
        case _:
            raise LookupError(f"expected paused_pool, lost_events or hung, found {change!r}")


def _enabled_automations(api: str) -> tuple[str, ...]:
    """Those that are enabled now, so that the undo enables no other one."""
    found = prefect.call(api, "POST", "/automations/filter", {"limit": PAGE})
    paths = tuple(f"/automations/{each['id']}" for each in found if each["enabled"])
    if not paths:
        raise LookupError(f"expected an enabled automation in {api}, found none; are the flows deployed?")
    return paths
