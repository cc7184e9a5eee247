"""Parts of the healer's benchmark: a stack of one revision, its trials, and an hour of sound load."""
