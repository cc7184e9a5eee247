"""Break the running system on purpose, and measure how it recovers.

A black-box client: it uses HTTP, signals and files, and imports no other package of this project, so that it measures
what a user would observe.
"""
