"""From a source to the lake: fetch batches, validate and repair them, quarantine bad rows, commit, compute features.

Layers, top to bottom: `ingest_table`, `quarantine_release`, `snapshots`, `freshness` and the like, which flows and the
command call; `commit`, `features` and what else writes; `validate`; `repairs`; `validation`; `sources`.
"""
