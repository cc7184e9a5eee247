"""A Prefect deployment that nothing starts any more: its schedules and its event triggers are off."""

from typing import Literal
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict

TIMEOUT_SECONDS = 10.0


class PausedDeployment(BaseModel):
    """Used for ablation: with the healer switched off, its drill has to turn red."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["paused_deployment"] = "paused_deployment"
    api: str
    deployment_id: UUID
    automation_ids: tuple[UUID, ...]

    @classmethod
    def prepare(cls, api: str, name: str) -> "PausedDeployment":
        """Find deployment `flow/deployment` and its enabled automations; httpx.HTTPStatusError when it is unknown."""
        with httpx.Client(base_url=api, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            deployment = client.get(f"/deployments/name/{name}").raise_for_status().json()
            resource = f"prefect.deployment.{deployment['id']}"
            automations = client.get(f"/automations/related-to/{resource}").raise_for_status().json()
        return cls(
            api=api,
            deployment_id=UUID(deployment["id"]),
            automation_ids=tuple(UUID(each["id"]) for each in automations if each["enabled"]),
        )

    @property
    def title(self) -> str:
        return f"deployment {self.deployment_id} paused"

    def inject(self) -> None:
        """Switch triggers off first, so that no event slips in between."""
        self._switch(on=False)

    def undo(self) -> None:
        """Switch all of it on again; httpx.HTTPError while Prefect does not answer, so that the undo is tried again."""
        self._switch(on=True)

    def active(self) -> bool:
        """Prefect itself says that the deployment and every automation are off."""
        with httpx.Client(base_url=self.api, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            paused = client.get(f"/deployments/{self.deployment_id}").raise_for_status().json()["paused"]
            enabled = [
                client.get(f"/automations/{each}").raise_for_status().json()["enabled"] for each in self.automation_ids
            ]
        return bool(paused) and not any(enabled)

    def _switch(self, *, on: bool) -> None:
        with httpx.Client(base_url=self.api, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            for automation_id in self.automation_ids:
                client.patch(f"/automations/{automation_id}", json={"enabled": on}).raise_for_status()
            step = "resume_deployment" if on else "pause_deployment"
            client.post(f"/deployments/{self.deployment_id}/{step}").raise_for_status()
