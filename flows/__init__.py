"""The Prefect flows, one per file."""

from observability.service_output import log_without_locals
from tasks.runtime.telemetry import opt_out

opt_out()
log_without_locals()
