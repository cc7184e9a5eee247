"""What a batch is held against, and how far a wrong one can be put right."""
