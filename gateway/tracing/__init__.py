"""Spans of requests. Without `--traces-url` nothing of this package is loaded, and no request passes through it."""
