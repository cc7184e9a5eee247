"""Looks at the service from outside, for remedies: the release that serves, golden probes, and live answers."""

import time

from healing.diagnosis import Presence
from healing.errors import GatewayRefused, GatewayUnavailable
from healing.incident import Cause
from healing.slo import Objective, judge_served
from healing.verdict import Outcome, Verdict
from releases.log import ReleaseLog
from releases.store import ModelStore
from tasks.incidents.remedy_action import RemedyContext
from tasks.serving.gateway_client import GatewayReport, probe_model, read_gateway_once

SAMPLE_SECONDS = 0.3  # of live answers per look; looks are repeated for the hold time
CHAMPION_SERVES = Objective(undegraded_min=0.5)  # below, the fallbacks answer for a champion that does not


def observe_champion(context: RemedyContext) -> Verdict:
    """Whether the release in the log serves, its champion gives its golden answers, and it answers live requests."""
    root = context.settings.release_root(context.incident.pipeline)
    release = ReleaseLog(root).current()
    addresses = context.settings.addresses()
    if release is None:
        return Verdict("service", Outcome.INCONCLUSIVE, "there is no release", 0)
    if addresses.operate is None:
        return Verdict("service", Outcome.PASS, "no gateway is running; the next one to start serves the release", 0)
    state = read_gateway_once(addresses.operate)
    if state.active_generation < release.generation:
        reason = f"the gateway serves generation {state.active_generation}, not yet {release.generation}"
        return Verdict("service", Outcome.INCONCLUSIVE, reason, 0)
    golden = "golden answers are not known"
    if addresses.gateway is not None:
        try:
            probe = _probe(context, addresses.gateway, release.champion.digest)
        except GatewayRefused:
            golden = "the gateway takes no probes"
        else:
            if probe.outcome is not Outcome.PASS:
                return probe
            golden = "golden answers are right"
    live = observe_answers(addresses.operate, state)
    if live.failed:
        return live
    reason = f"generation {state.active_generation} serves, {golden}; {live.reason}"
    return Verdict("service", Outcome.PASS, reason, live.observations)


def observe_release(context: RemedyContext) -> Verdict:
    """Whether the release in the log serves and clients are answered, by whatever rung."""
    release = ReleaseLog(context.settings.release_root(context.incident.pipeline)).current()
    operate = context.settings.addresses().operate
    if release is None or operate is None:
        return Verdict("service", Outcome.PASS, "no gateway is running", 0)
    state = read_gateway_once(operate)
    if state.active_generation < release.generation:
        reason = f"the gateway serves generation {state.active_generation}, not yet {release.generation}"
        return Verdict("service", Outcome.INCONCLUSIVE, reason, 0)
    live = observe_answers(operate, state, Objective())
    if live.failed:
        return live
    return Verdict("service", Outcome.PASS, f"generation {state.active_generation} serves", live.observations)


def observe_answers(operate_url: str, before: GatewayReport, objective: Objective = CHAMPION_SERVES) -> Verdict:
    """Live answers of SAMPLE_SECONDS against the objective; INCONCLUSIVE without clients."""
    time.sleep(SAMPLE_SECONDS)
    after = read_gateway_once(operate_url)
    return judge_served(after.served.counts().since(before.served.counts()), objective)


def observe_problem_gone(context: RemedyContext) -> Verdict:
    """Whether a probe, or else the gateway, no longer finds the incident's problem; both derive it from the state."""
    incident, operate = context.incident, context.settings.addresses().operate
    probed = context.probed.get((incident.cause, incident.subject))
    if probed is not None:
        is_gone = probed.presence is Presence.ABSENT
        return Verdict("problem", Outcome.PASS if is_gone else Outcome.INCONCLUSIVE, probed.reason, 1)
    if operate is None:
        return Verdict("problem", Outcome.INCONCLUSIVE, "no gateway is running that could recover", 0)
    try:
        state = read_gateway_once(operate)
    except GatewayUnavailable as exc:
        return Verdict("problem", Outcome.INCONCLUSIVE, str(exc), 0)
    if incident.cause is Cause.GATEWAY_DOWN:
        return Verdict("problem", Outcome.PASS, "the gateway answers", 1)
    present = [p for p in state.problems if (p.code, p.subject) == (incident.cause, incident.subject)]
    if present:
        return Verdict("problem", Outcome.INCONCLUSIVE, f"still reported: {present[0].message}", 1)
    return Verdict("problem", Outcome.PASS, f"the gateway reports no {incident.cause}", 1)


def _probe(context: RemedyContext, predict_url: str, digest: str) -> Verdict:
    manifest = ModelStore(context.settings.release_root(context.incident.pipeline)).manifest(digest)
    return probe_model(predict_url, digest, manifest)
