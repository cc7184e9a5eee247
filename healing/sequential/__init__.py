"""Tests that may be looked at all the time: each holds its error bound at every look, and at whichever is the last.

Each module names its null hypothesis, its bet and its source; `docs/statistics.md` says how to read them.
"""
