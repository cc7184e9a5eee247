"""The demo: a year of flights against a real stack, with faults, and a report of how each was healed."""
