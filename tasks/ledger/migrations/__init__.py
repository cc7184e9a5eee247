"""Revisions of the ledger's tables. Alembic runs `env.py`, which runs what is missing of `versions/`."""
