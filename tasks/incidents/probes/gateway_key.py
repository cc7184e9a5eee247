"""Whether the gateway accepts the key of the control plane."""

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.errors import GatewayRefused, GatewayUnavailable
from healing.incident import Cause
from tasks.incidents.probe import Probe, ProbeContext, Sighting
from tasks.serving.gateway_client import read_gateway_once

_KEY: ProblemKey = (Cause.GATEWAY_REFUSED, "operate_key")


class GatewayKeyIsAccepted(Probe):
    """A gateway that refuses the key is not down, so that a restart would not help."""

    name = "gateway_key"
    looks_min = 3  # keys are replaced on both sides one after the other

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:  # noqa: ARG002
        return frozenset({_KEY})

    def observe(self, context: ProbeContext) -> Sighting:
        operate = context.settings.addresses().operate
        if operate is None:
            return Sighting(reason="no gateway runs")
        try:
            read_gateway_once(operate)
        except GatewayRefused as exc:
            return Sighting((ProblemSignal(*_KEY, str(exc)),))
        except GatewayUnavailable as exc:
            return Sighting(reason=str(exc), readable=False)
        return Sighting(reason="the gateway accepts the key of the control plane")


PROBES = (GatewayKeyIsAccepted,)
