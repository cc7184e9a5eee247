"""Checks of batches: columns and types, rows, whole days, and shares of bad rows; and the verdict on each batch."""
