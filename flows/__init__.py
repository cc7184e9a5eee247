"""The Prefect flows, one per file."""

from tasks.runtime.telemetry import opt_out

opt_out()
