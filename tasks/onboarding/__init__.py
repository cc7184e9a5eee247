"""Onboarding: a working pipeline folder from a data file without a description.

Everything is guessed from the file as ingestion reads it. Every guess is reported with its reason, and the guessed
pipeline is run on the file before anything is written.
"""
