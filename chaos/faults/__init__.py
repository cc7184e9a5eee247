"""The faults, one per file. Each can inject itself, prove that it is active, and be undone, also twice."""
