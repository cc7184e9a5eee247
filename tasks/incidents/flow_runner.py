"""How a remedy starts a flow. `tasks/` does not import flows, so `flows/heal.py` hands the runner in."""

from collections.abc import Callable, Mapping
from typing import Protocol

from tasks.runtime.flow_runs import start_run
from tasks.runtime.traces import carried_by


class FlowRunner(Protocol):
    """Runs flows by the name of their deployment."""

    detached: bool  # the flow runs in another process, and continues when this one ends

    def run(self, deployment: str, parameters: Mapping[str, object], idempotency_key: str) -> str | None:
        """Run the flow of `deployment` ("flow/deployment").

        Returns the id of the started run, or None if the flow ran here to its end. The same key returns the same run,
        so that a `heal` that died before it recorded the run finds it again.
        """


class DeploymentRunner:
    """Starts runs of Prefect deployments. OrchestratorUnavailable if Prefect does not answer."""

    detached = True

    def run(self, deployment: str, parameters: Mapping[str, object], idempotency_key: str) -> str:
        return start_run(deployment, parameters, idempotency_key)


class InlineRunner:
    """Calls the flows in this process. Their errors are raised here."""

    detached = False

    def __init__(self, flows: Mapping[str, Callable[..., object]]) -> None:
        self._flows = flows

    def run(self, deployment: str, parameters: Mapping[str, object], idempotency_key: str) -> None:
        with carried_by(idempotency_key):
            self._flows[deployment](**parameters)
