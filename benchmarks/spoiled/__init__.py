"""Batches that were spoiled on purpose, and what ingestion makes of them."""
