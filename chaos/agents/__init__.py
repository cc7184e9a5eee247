"""Processes that keep a fault active, one kind per file: `python -m chaos.agents.<kind> KEEP_FILE SECONDS ...`."""
