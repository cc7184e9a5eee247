"""The year 2013 in the flights pipeline: ingested once, then replayed and corrupted."""
