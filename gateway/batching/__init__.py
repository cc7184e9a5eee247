"""Micro-batches: model versions, each with the queue in front of its worker."""
