"""The `autopilot` command, one file per command or command group."""

from tasks.runtime.telemetry import opt_out

opt_out()
