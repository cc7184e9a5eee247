"""The HTML report of stored trials: one file that needs no network."""
