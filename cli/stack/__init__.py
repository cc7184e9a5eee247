"""The stack that `autopilot up` runs: its services, their processes, and what it keeps in its home."""
