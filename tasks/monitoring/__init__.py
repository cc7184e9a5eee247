"""What was answered, what came true, and how far the one is from the other."""
