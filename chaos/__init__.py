"""Break the running system on purpose, and measure how it recovers.

A black-box client: it speaks HTTP, sends signals to processes and touches files, and imports no other package of this
project, so that what it measures is what a user would see.
"""
