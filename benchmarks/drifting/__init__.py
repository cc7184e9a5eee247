"""Streams with drift: public data sets, and generators whose changes are known."""
