"""The monitor's checks, one per file. `tasks.monitoring.check` finds them."""
