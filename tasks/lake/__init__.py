"""Tables on disk: append, merge, read as they were, tidy up."""
