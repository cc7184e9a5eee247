"""Chaos Toolkit controls, which run at the start and the end of an experiment."""
