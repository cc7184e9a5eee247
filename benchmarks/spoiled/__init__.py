"""Batches that are spoiled on purpose, and what ingestion does with them."""
