"""What can be broken, one fault a file: each knows how to inject itself, undo itself twice, and prove that it is active."""
