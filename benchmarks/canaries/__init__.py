"""Simulated canaries, and the judges that look at them."""
