"""Simulated canaries, and the methods that decide whether to abort them."""
