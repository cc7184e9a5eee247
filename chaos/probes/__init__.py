"""The probes of the experiments, one fact per file. Each returns whether the fact holds."""
