"""What can be broken, one fault a file: each injects itself, proves that it is active, and may be undone twice."""
