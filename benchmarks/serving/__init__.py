"""What the gateway's benchmarks share: one model in every server's format, one client, and the servers themselves."""
