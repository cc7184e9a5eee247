"""What is noticed in the request path: breakers, windows, and the canary's test."""
