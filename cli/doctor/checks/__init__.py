"""The checks of `autopilot doctor`, one per file: each yields what is not as expected."""
