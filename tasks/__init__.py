"""The work of the flows, one package per domain; pyproject.toml orders the packages in layers."""

from tasks.runtime.telemetry import opt_out

opt_out()
