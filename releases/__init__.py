"""What both planes share: the append-only log of what should serve, and the signed models it names."""
