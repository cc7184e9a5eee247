"""Monitoring: checks of the champion, their diagnosis, and the comparison of two models on the same rows."""
