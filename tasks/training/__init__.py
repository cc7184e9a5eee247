"""A candidate: which rows, which estimator, how it compares, and its publication."""
