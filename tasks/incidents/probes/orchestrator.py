"""Whether Prefect's API answers."""

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.incident import Cause
from tasks.incidents.probe import Probe, ProbeContext, Sighting
from tasks.runtime.http_checks import failure_of

ANSWER_SECONDS = 1.9  # the slowest answer on a machine with four busy processes per core

_PREFECT: ProblemKey = (Cause.ORCHESTRATOR_UNAVAILABLE, "prefect")


class PrefectAnswers(Probe):
    """Silence and server errors count alike. A stack without an address of Prefect needs none."""

    name = "prefect"
    looks_min = 3  # its supervisor restarts it within a second of its death, which takes up to 16 s

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:  # noqa: ARG002
        return frozenset({_PREFECT})

    def observe(self, context: ProbeContext) -> Sighting:
        prefect = context.settings.addresses().prefect
        if prefect is None:
            return Sighting(reason="no Prefect is configured")
        failure = failure_of(f"{prefect}/health", ANSWER_SECONDS)
        if failure is None:
            return Sighting(reason="Prefect answers")
        return Sighting((ProblemSignal(*_PREFECT, f"expected an answer from {prefect}/health, found {failure}"),))


PROBES = (PrefectAnswers,)
