"""Repairs that the contract may allow, one per file. Each records what it changed, and changes nothing else."""
