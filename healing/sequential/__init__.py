"""Sequential tests: each keeps its error bound at every observation, and at whichever one the caller stops.

Each module names its null hypothesis, its bet and its source; `docs/statistics.md` explains how to read them.
"""
