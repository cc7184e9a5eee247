"""Which part of the system detects each cause: it records the first evidence of an incident."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from healing.incident import Cause


class Detector(StrEnum):
    """A part of the system that observes problems."""

    INGESTION = "ingestion"  # tasks/ingestion, while it takes in a batch
    MONITOR = "monitor"  # tasks/monitoring, on windows of answered rows
    ROLLOUT = "rollout"  # tasks/rollout, while a challenger is on trial
    GATEWAY = "gateway"  # a problem on its operate port, or an event
    HEALER = "healer"  # tasks/incidents, when it probes the gateway and what else the pipeline needs


DETECTORS: Mapping[Cause, frozenset[Detector]] = MappingProxyType(
    {
        Cause.SOURCE_UNAVAILABLE: frozenset({Detector.INGESTION}),
        Cause.SOURCE_SLOW: frozenset({Detector.HEALER}),
        Cause.SCHEMA_BREAK: frozenset({Detector.INGESTION}),
        Cause.NULL_SPIKE: frozenset({Detector.INGESTION}),
        Cause.BAD_ROWS: frozenset({Detector.INGESTION}),
        Cause.VOLUME_ANOMALY: frozenset({Detector.INGESTION}),
        Cause.STALE_DATA: frozenset({Detector.INGESTION, Detector.HEALER}),
        Cause.DUPLICATE_DATA: frozenset({Detector.INGESTION}),
        Cause.DATA_DRIFT: frozenset({Detector.MONITOR}),
        Cause.QUALITY_DROP: frozenset({Detector.MONITOR}),
        Cause.BAD_CANDIDATE: frozenset({Detector.GATEWAY, Detector.ROLLOUT, Detector.MONITOR}),
        Cause.MODEL_CORRUPT: frozenset({Detector.GATEWAY}),
        Cause.MODEL_FAILING: frozenset({Detector.GATEWAY}),
        Cause.MODEL_SLOW: frozenset({Detector.GATEWAY}),
        Cause.REGISTRY_UNAVAILABLE: frozenset({Detector.HEALER}),
        Cause.STORE_UNAVAILABLE: frozenset({Detector.GATEWAY, Detector.HEALER}),
        Cause.ORCHESTRATOR_UNAVAILABLE: frozenset({Detector.HEALER}),
        Cause.GATEWAY_DOWN: frozenset({Detector.HEALER}),
        Cause.GATEWAY_REFUSED: frozenset({Detector.HEALER}),
        Cause.DISK_FULL: frozenset({Detector.GATEWAY, Detector.HEALER}),
        Cause.RESOURCE_PRESSURE: frozenset({Detector.GATEWAY, Detector.HEALER}),
        Cause.UNKNOWN: frozenset({Detector.GATEWAY, Detector.MONITOR}),
    }
)

# Something reads these again and again, so the end of the problem is noticed after an escalation, too.
OBSERVED_CONTINUOUSLY = frozenset(
    {
        Cause.SOURCE_UNAVAILABLE,
        Cause.SOURCE_SLOW,
        Cause.STALE_DATA,
        Cause.DATA_DRIFT,
        Cause.QUALITY_DROP,
        Cause.BAD_CANDIDATE,
        Cause.MODEL_CORRUPT,
        Cause.MODEL_FAILING,
        Cause.MODEL_SLOW,
        Cause.REGISTRY_UNAVAILABLE,
        Cause.STORE_UNAVAILABLE,
        Cause.ORCHESTRATOR_UNAVAILABLE,
        Cause.GATEWAY_DOWN,
        Cause.GATEWAY_REFUSED,
        Cause.DISK_FULL,
        Cause.RESOURCE_PRESSURE,
    }
)

FOUND_BY_INGESTION = frozenset(cause for cause, by in DETECTORS.items() if Detector.INGESTION in by)
