"""The lake: Delta tables that are appended to, merged, read at any version, and compacted."""
