"""Rows of a request: as sent, and checked against a model's input schema."""
