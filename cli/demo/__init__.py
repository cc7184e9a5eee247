"""The demo: 2013 played against a real stack, with its troubles, and a report of how each was overcome."""
