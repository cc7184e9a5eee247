"""The prediction log: streams of checksummed lines in segments."""
