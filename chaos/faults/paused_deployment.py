"""A Prefect deployment whose schedules and event triggers are off."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from chaos import prefect

__all__ = ["PausedDeployment"]


class PausedDeployment(BaseModel):
    """Used for ablation: with the healer switched off, its drill has to fail."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["paused_deployment"] = "paused_deployment"
    api: str
    deployment_id: UUID
    automation_ids: tuple[UUID, ...]

    @classmethod
    def prepare(cls, api: str, name: str) -> "PausedDeployment":
        """Find deployment `flow/deployment` and its enabled automations; httpx.HTTPStatusError when it is unknown."""
        deployment = prefect.call(api, "GET", f"/deployments/name/{name}")
        automations = prefect.call(api, "GET", f"/automations/related-to/prefect.deployment.{deployment['id']}")
        return cls(
            api=api,
            deployment_id=UUID(deployment["id"]),
            automation_ids=tuple(UUID(each["id"]) for each in automations if each["enabled"]),
        )

    @property
    def title(self) -> str:
        return f"deployment {self.deployment_id} paused"

    def inject(self) -> None:
        """Switch triggers off first, so that no event starts a run in between."""
        self._switch(on=False)

    def undo(self) -> None:
        """Switch everything on again; httpx.HTTPError while Prefect does not answer: the undo is then repeated."""
        self._switch(on=True)

    def active(self) -> bool:
        """Whether Prefect reports the deployment and every automation as off."""
        paused = prefect.call(self.api, "GET", f"/deployments/{self.deployment_id}")["paused"]
        enabled = [prefect.call(self.api, "GET", f"/automations/{each}")["enabled"] for each in self.automation_ids]
        return bool(paused) and not any(enabled)

    def _switch(self, *, on: bool) -> None:
        for automation_id in self.automation_ids:
            prefect.call(self.api, "PATCH", f"/automations/{automation_id}", {"enabled": on})
        step = "resume_deployment" if on else "pause_deployment"
        prefect.call(self.api, "POST", f"/deployments/{self.deployment_id}/{step}")
