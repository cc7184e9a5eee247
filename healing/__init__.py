"""The pure core: decisions without I/O, clock, randomness or framework.

Everything here takes plain values and returns plain values, so that a decision can be replayed from the record that
led to it. Time and seeds are arguments.
"""
