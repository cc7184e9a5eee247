"""What the experiments look at, one fact a file; each answers whether the fact holds."""
