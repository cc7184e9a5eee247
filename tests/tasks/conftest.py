"""Databases for the ledger's and the sources' tests."""

from tests.databases import database, postgres, postgres_database

__all__ = ["database", "postgres", "postgres_database"]
