"""What is wrong, and the events that report it."""
