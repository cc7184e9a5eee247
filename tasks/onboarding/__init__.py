"""Onboarding: from a file that nobody has described to a pipeline folder that works.

Everything is guessed from the file as ingestion will read it, every guess is said with its reason, and the guesses are
tried on the file itself before anything is written.
"""
